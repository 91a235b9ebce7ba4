// Model::load, in builds that read files.
#include "maury/maury.hpp"
#include "model_metadata.hpp"
#include "model_state.hpp"
#include "onnx_graph.hpp"

#include <filesystem>
#include <fstream>

namespace maury {
namespace {

constexpr std::uintmax_t most_bytes = 2147483647; // of protocol buffers, and therefore of ONNX files

std::string bytes_of(const std::string& path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error))
        throw EmulatorFileError(path + ": there is no such file");
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (error || size > most_bytes)
        throw EmulatorFileError(path + ": its size exceeds the maximum of an ONNX file");
    std::string bytes(static_cast<std::size_t>(size), '\0');
    std::ifstream file(path, std::ios::binary);
    if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size())))
        throw EmulatorFileError(path + ": it cannot be read");
    return bytes;
}

} // namespace

bool Model::reads_files() { return true; }

Model Model::load(const std::string& path) {
    const std::string bytes = bytes_of(path);
    return load(bytes.data(), bytes.size(), path);
}

Model Model::load(const void* bytes, std::size_t size, const std::string& name) {
    try {
        const OnnxFile file = read_onnx({static_cast<const char*>(bytes), size});
        Model model = from_layers(parts_of(file));
        check_graph(file, model.parts(), *model.state_->emulator);
        return model;
    } catch (const EmulatorFileError& error) {
        throw EmulatorFileError(name + ": " + error.what());
    } catch (const std::invalid_argument& error) {
        throw EmulatorFileError(name + ": " + error.what());
    }
}

} // namespace maury

// Model::load, in builds without the libraries that read files.
#include "maury/maury.hpp"

namespace maury {
namespace {

[[noreturn]] void cannot(const std::string& name) {
    throw std::runtime_error(name +
                             ": this build of maury reads no emulator files; build it with Protozero and "
                             "nlohmann-json, or pass the layers to Model::from_layers");
}

} // namespace

bool Model::reads_files() { return false; }
Model Model::load(const std::string& path) { cannot(path); }
Model Model::load(const void*, std::size_t, const std::string& name) { cannot(name); }

} // namespace maury

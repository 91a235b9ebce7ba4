// The libFuzzer target: fuzz_model FOLDER small.onnx
#include "load_model.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    loads(data, size);
    return 0;
}

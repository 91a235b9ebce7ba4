// An ONNX file as maury writes it: parts of its protocol buffer, which point into the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace maury {

struct OnnxTensor {
    static constexpr int float32 = 1, int64 = 7, boolean = 9;
    std::vector<std::int64_t> dims;
    int type = 0;
    std::string_view bytes; // little-endian, as many as dims and type need
    std::size_t size() const;
};

struct OnnxNode {
    std::string name, op;
    std::vector<std::string> inputs, outputs;
    std::vector<std::int64_t> perm; // of a Transpose
    float alpha = 0.01f;            // of a LeakyRelu
};

struct OnnxValue { // an input or output of the graph
    std::string name;
    int type = 0;
    bool has_shape = false;
    std::vector<std::int64_t> dims; // -1 = N
};

struct OnnxFile {
    std::string producer;
    std::map<std::string, std::string> metadata;
    std::map<std::string, OnnxTensor> tensors;
    std::vector<OnnxNode> nodes;
    std::vector<OnnxValue> inputs, outputs;
};

// Throws EmulatorFileError where it is no ONNX file of a maury emulator: with another file's data, functions,
// operators that maury does not write, or tensors whose bytes do not match their dimensions.
OnnxFile read_onnx(std::string_view bytes);

} // namespace maury

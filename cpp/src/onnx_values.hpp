// Evaluates the operators that the graph of an emulator consists of.
#pragma once

#include "onnx_file.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace maury {

class OnnxValues {
  public:
    // No value may have more than `largest` numbers. Throws EmulatorFileError, as all of these.
    OnnxValues(const OnnxFile& file, std::size_t largest);

    void set(const std::string& name, std::vector<std::int64_t> dims, std::vector<float> numbers);
    void run();
    // Throws where there is no such value of these dimensions.
    const std::vector<float>& numbers(const std::string& name, const std::vector<std::int64_t>& dims) const;

  private:
    // Every kind of number is kept as float32: the whole ones of an emulator are axes, and bools are 0 or 1.
    struct Value {
        int type;
        std::vector<std::int64_t> dims;
        std::vector<float> numbers;
    };

    const Value& input(const OnnxNode& node, std::size_t i, int type) const;
    Value sized(const OnnxNode& node, int type, std::vector<std::int64_t> dims) const;
    Value evaluate(const OnnxNode& node) const;
    Value each(const OnnxNode& node) const;
    Value pairs(const OnnxNode& node) const;
    Value where(const OnnxNode& node) const;
    Value product(const OnnxNode& node) const;
    Value transposed(const OnnxNode& node) const;
    Value unsqueezed(const OnnxNode& node) const;

    const OnnxFile& file_;
    std::size_t largest_;
    std::map<std::string, Value> values_;
};

} // namespace maury

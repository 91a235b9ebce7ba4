#include "onnx_values.hpp"

#include "maury/maury.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace maury {
namespace {

using Dims = std::vector<std::int64_t>;

[[noreturn]] void invalid(const std::string& why) {
    throw EmulatorFileError("its graph is not valid ONNX: " + why);
}

std::size_t at(const Dims& dims, std::size_t axis) { return static_cast<std::size_t>(dims[axis]); }

// Dimensions of both together, as NumPy broadcasts.
Dims broadcast(const Dims& a, const Dims& b) {
    Dims out(std::max(a.size(), b.size()), 1);
    for (const Dims* dims : {&a, &b})
        for (std::size_t i = 0; i < dims->size(); ++i) {
            std::int64_t& to = out[out.size() - dims->size() + i];
            if (to != 1 && (*dims)[i] != 1 && to != (*dims)[i])
                invalid("shapes that do not fit together");
            to = std::max(to, (*dims)[i]);
        }
    return out;
}

// Place in an array of `dims` of element `i` of what it is broadcast to.
std::size_t place(std::size_t i, const Dims& to, const Dims& dims) {
    std::size_t index = 0, stride = 1;
    for (std::size_t axis = to.size(); axis-- > 0;) {
        const std::size_t own = i % at(to, axis);
        i /= at(to, axis);
        if (to.size() - axis > dims.size())
            continue;
        const std::size_t length = at(dims, axis + dims.size() - to.size());
        index += (length == 1 ? 0 : own) * stride;
        stride *= length;
    }
    return index;
}

} // namespace

OnnxValues::OnnxValues(const OnnxFile& file, std::size_t largest) : file_(file), largest_(largest) {
    for (const auto& [name, tensor] : file.tensors) {
        Value value{tensor.type, tensor.dims, std::vector<float>(tensor.size())};
        for (std::size_t i = 0; i < value.numbers.size(); ++i)
            if (tensor.type == OnnxTensor::float32)
                std::memcpy(&value.numbers[i], tensor.bytes.data() + 4 * i, 4);
            else if (tensor.type == OnnxTensor::int64) {
                std::int64_t whole;
                std::memcpy(&whole, tensor.bytes.data() + 8 * i, 8);
                value.numbers[i] = static_cast<float>(whole);
            } else
                value.numbers[i] = tensor.bytes[i] != 0;
        values_.emplace(name, std::move(value));
    }
}

void OnnxValues::set(const std::string& name, Dims dims, std::vector<float> numbers) {
    if (!values_.emplace(name, Value{OnnxTensor::float32, std::move(dims), std::move(numbers)}).second)
        invalid("'" + name + "' is given twice");
}

void OnnxValues::run() {
    for (const OnnxNode& node : file_.nodes) {
        if (node.outputs.size() != 1)
            invalid("a node " + node.op + " has not one output");
        if (!values_.emplace(node.outputs[0], evaluate(node)).second)
            invalid("a name is given twice");
    }
}

const std::vector<float>& OnnxValues::numbers(const std::string& name, const Dims& dims) const {
    const auto found = values_.find(name);
    if (found == values_.end() || found->second.type != OnnxTensor::float32 || found->second.dims != dims)
        invalid("'" + name + "' is not computed, or has another shape");
    return found->second.numbers;
}

const OnnxValues::Value& OnnxValues::input(const OnnxNode& node, std::size_t i, int type) const {
    if (i >= node.inputs.size())
        invalid("a node " + node.op + " lacks an input");
    const auto found = values_.find(node.inputs[i]);
    if (found == values_.end() || found->second.type != type)
        invalid("an input of a node " + node.op + " is not known, or of another type");
    return found->second;
}

OnnxValues::Value OnnxValues::sized(const OnnxNode& node, int type, Dims dims) const {
    std::size_t size = 1;
    for (const std::int64_t dim : dims) { // none is below 1
        if (static_cast<std::uint64_t>(dim) > largest_ / size)
            throw EmulatorFileError("a node " + node.op + " computes more numbers than necessary");
        size *= static_cast<std::size_t>(dim);
    }
    return {type, std::move(dims), std::vector<float>(size)};
}

OnnxValues::Value OnnxValues::evaluate(const OnnxNode& node) const {
    const std::string& op = node.op;
    const std::size_t n_inputs = op == "Where" ? 3
                                 : op == "Add" || op == "Sub" || op == "Mul" || op == "Div" ||
                                         op == "Greater" || op == "MatMul" || op == "Unsqueeze"
                                     ? 2
                                     : 1;
    if (node.inputs.size() != n_inputs)
        invalid("a node " + op + " has another number of inputs");
    return op == "MatMul"      ? product(node)
           : op == "Transpose" ? transposed(node)
           : op == "Unsqueeze" ? unsqueezed(node)
           : n_inputs == 3     ? where(node)
           : n_inputs == 2     ? pairs(node)
                               : each(node);
}

OnnxValues::Value OnnxValues::each(const OnnxNode& node) const {
    const Value& x = input(node, 0, OnnxTensor::float32);
    Value out = sized(node, OnnxTensor::float32, x.dims);
    const std::string& op = node.op;
    for (std::size_t i = 0; i < x.numbers.size(); ++i) {
        const float v = x.numbers[i];
        out.numbers[i] = op == "Erf"                 ? std::erf(v)
                         : op == "Exp"               ? std::exp(v)
                         : op == "Log"               ? std::log(v)
                         : op == "Neg"               ? -v
                         : op == "Relu"              ? std::max(v, 0.0f)
                         : op == "Sigmoid"           ? 1.0f / (1.0f + std::exp(-v))
                         : op == "Tanh"              ? std::tanh(v)
                         : /* LeakyRelu */ v >= 0.0f ? v
                                                     : node.alpha * v;
    }
    return out;
}

OnnxValues::Value OnnxValues::pairs(const OnnxNode& node) const {
    const Value &a = input(node, 0, OnnxTensor::float32), &b = input(node, 1, OnnxTensor::float32);
    const std::string& op = node.op;
    Value out =
        sized(node, op == "Greater" ? OnnxTensor::boolean : OnnxTensor::float32, broadcast(a.dims, b.dims));
    for (std::size_t i = 0; i < out.numbers.size(); ++i) {
        const float x = a.numbers[place(i, out.dims, a.dims)], y = b.numbers[place(i, out.dims, b.dims)];
        out.numbers[i] = op == "Add"   ? x + y
                         : op == "Sub" ? x - y
                         : op == "Mul" ? x * y
                         : op == "Div" ? x / y
                                       : static_cast<float>(x > y);
    }
    return out;
}

OnnxValues::Value OnnxValues::where(const OnnxNode& node) const {
    const Value &condition = input(node, 0, OnnxTensor::boolean), &a = input(node, 1, OnnxTensor::float32),
                &b = input(node, 2, OnnxTensor::float32);
    Value out = sized(node, OnnxTensor::float32, broadcast(condition.dims, broadcast(a.dims, b.dims)));
    for (std::size_t i = 0; i < out.numbers.size(); ++i)
        out.numbers[i] = condition.numbers[place(i, out.dims, condition.dims)] != 0.0f
                             ? a.numbers[place(i, out.dims, a.dims)]
                             : b.numbers[place(i, out.dims, b.dims)];
    return out;
}

// (..., n, m) times (m, k)
OnnxValues::Value OnnxValues::product(const OnnxNode& node) const {
    const Value &a = input(node, 0, OnnxTensor::float32), &b = input(node, 1, OnnxTensor::float32);
    if (a.dims.size() < 2 || b.dims.size() != 2 || a.dims.back() != b.dims[0])
        invalid("a product of matrices that do not fit together");
    Dims dims = a.dims;
    dims.back() = b.dims[1];
    Value out = sized(node, OnnxTensor::float32, std::move(dims));
    const std::size_t m = at(b.dims, 0), k = at(b.dims, 1);
    for (std::size_t row = 0; row < a.numbers.size() / m; ++row)
        for (std::size_t j = 0; j < m; ++j)
            for (std::size_t i = 0; i < k; ++i)
                out.numbers[row * k + i] += a.numbers[row * m + j] * b.numbers[j * k + i];
    return out;
}

OnnxValues::Value OnnxValues::transposed(const OnnxNode& node) const {
    const Value& a = input(node, 0, OnnxTensor::float32);
    const std::size_t n = a.dims.size();
    Dims sorted = node.perm, dims(n), stride(n, 1), step(n);
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t axis = 0; axis < n; ++axis)
        if (sorted.size() != n || sorted[axis] != static_cast<std::int64_t>(axis))
            invalid("a Transpose without an order of all axes");
    for (std::size_t axis = n; axis-- > 1;)
        stride[axis - 1] = stride[axis] * a.dims[axis];
    for (std::size_t axis = 0; axis < n; ++axis) {
        dims[axis] = a.dims[at(node.perm, axis)];
        step[axis] = stride[at(node.perm, axis)];
    }
    Value out = sized(node, OnnxTensor::float32, dims);
    for (std::size_t i = 0; i < out.numbers.size(); ++i) {
        std::size_t rest = i, from = 0;
        for (std::size_t axis = n; axis-- > 0;) {
            from += rest % at(dims, axis) * at(step, axis);
            rest /= at(dims, axis);
        }
        out.numbers[i] = a.numbers[from];
    }
    return out;
}

OnnxValues::Value OnnxValues::unsqueezed(const OnnxNode& node) const {
    const Value &a = input(node, 0, OnnxTensor::float32), &axes = input(node, 1, OnnxTensor::int64);
    if (axes.numbers.size() != 1 || !(axes.numbers[0] >= 0.0f) ||
        axes.numbers[0] > static_cast<float>(a.dims.size()))
        invalid("an Unsqueeze at an axis that is not there");
    Value out = a;
    out.dims.insert(out.dims.begin() + static_cast<std::ptrdiff_t>(axes.numbers[0]), 1);
    return out;
}

} // namespace maury

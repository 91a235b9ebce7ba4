// Checks of NumPy arguments: what is wrong is said by argument name, as ValueError.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace maury::bindings {

namespace py = pybind11;

constexpr py::ssize_t any = -1;

inline std::string shape_text(const std::vector<py::ssize_t>& shape) {
    std::string text = "(";
    for (std::size_t i = 0; i < shape.size(); ++i)
        text += (i ? ", " : "") + (shape[i] == any ? std::string("any") : std::to_string(shape[i]));
    return text + (shape.size() == 1 ? ",)" : ")");
}

inline std::string describe(const py::object& argument) {
    if (!py::isinstance<py::array>(argument))
        return py::str(py::type::of(argument).attr("__name__")).cast<std::string>();
    const auto array = py::reinterpret_borrow<py::array>(argument);
    const std::vector<py::ssize_t> shape(array.shape(), array.shape() + array.ndim());
    return py::str(array.dtype()).cast<std::string>() + " " + shape_text(shape) +
           (array.flags() & py::array::c_style ? "" : ", not C-contiguous");
}

// The argument as a C-contiguous array of T with this shape, never converted: results and inputs share memory
// with the caller, and a silent copy of a large array would hide a cost.
template <typename T>
py::array_t<T> array(const py::object& argument, const std::string& name, const std::string& axes,
                     const std::vector<py::ssize_t>& shape) {
    bool good = py::isinstance<py::array_t<T, py::array::c_style>>(argument);
    if (good) {
        const auto given = py::reinterpret_borrow<py::array>(argument);
        good = given.ndim() == static_cast<py::ssize_t>(shape.size());
        for (std::size_t i = 0; good && i < shape.size(); ++i)
            good = shape[i] == any || given.shape(static_cast<py::ssize_t>(i)) == shape[i];
    }
    if (!good) {
        const std::string type = py::str(py::dtype::of<T>()).template cast<std::string>();
        throw py::value_error(name + ": expected " + type + " " + axes + " = " + shape_text(shape) +
                              ", C-contiguous, got " + describe(argument) + "; use np.ascontiguousarray(" +
                              name + ", dtype='" + type + "')");
    }
    return py::reinterpret_borrow<py::array_t<T>>(argument);
}

// The same of an argument that may be None.
template <typename T>
std::optional<py::array_t<T>> optional(const py::object& argument, const std::string& name,
                                       const std::string& axes, const std::vector<py::ssize_t>& shape) {
    if (argument.is_none())
        return std::nullopt;
    return array<T>(argument, name, axes, shape);
}

template <typename T> const T* data(const std::optional<py::array_t<T>>& array) {
    return array ? array->data() : nullptr;
}

// A short vector, from anything NumPy can make float64 of.
inline std::vector<double> vector(const py::object& argument, const std::string& name) {
    const auto given = py::array_t<double, py::array::c_style | py::array::forcecast>::ensure(argument);
    if (!given || given.ndim() != 1) {
        PyErr_Clear();
        throw py::value_error(name + ": expected a 1-D array of float64, got " + describe(argument));
    }
    return {given.data(), given.data() + given.size()};
}

} // namespace maury::bindings

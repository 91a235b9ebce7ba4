#pragma once

#include "maury/fit.hpp"

#include <pybind11/numpy.h>

#include <optional>

namespace maury::bindings {

// An Observed that keeps its arrays alive.
struct ObservedArrays {
    maury::Observed view;
    pybind11::array_t<double> low, high, shift;
    std::optional<pybind11::array_t<double>> variance, resolution, narrowing;
    std::optional<pybind11::array_t<std::int32_t>> arm;
};

} // namespace maury::bindings

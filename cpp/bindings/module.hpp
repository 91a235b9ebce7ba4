#pragma once

#include <pybind11/pybind11.h>

namespace maury::bindings {

namespace py = pybind11;

void bind_status(py::module_& m);
void bind_running_median(py::module_& m);
void bind_emulator(py::module_& m);
void bind_fit(py::module_& m);

} // namespace maury::bindings

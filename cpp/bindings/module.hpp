#pragma once

#include <pybind11/pybind11.h>

namespace maury::bindings {

namespace py = pybind11;

// Throws KeyboardInterrupt after Ctrl-C. Python sees signals in its main thread only: elsewhere this does
// nothing.
inline void check_signals() {
    const py::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals() != 0)
        throw py::error_already_set();
}

void bind_codes(py::module_& m);
void bind_running_median(py::module_& m);
void bind_emulator(py::module_& m);
void bind_measure(py::module_& m);
void bind_starts(py::module_& m);
void bind_residuals(py::module_& m);
void bind_quality(py::module_& m);

} // namespace maury::bindings

#include "module.hpp"

PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
    m.doc() = "C++ core of maury: running median, emulator and bounded fit.";
    maury::bindings::bind_codes(m);
    maury::bindings::bind_running_median(m);
    maury::bindings::bind_emulator(m);
    maury::bindings::bind_measure(m);
    maury::bindings::bind_starts(m);
    maury::bindings::bind_residuals(m);
    maury::bindings::bind_quality(m);
}

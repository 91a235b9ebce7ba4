#include "arrays.hpp"
#include "module.hpp"

#include "maury/running_median.hpp"

#include <chrono>

namespace maury::bindings {
namespace {

template <typename T>
py::array_t<T> median_of(const py::object& flux_given, const py::object& mask_given, std::size_t half) {
    const auto flux = array<T>(flux_given, "flux", "(N, P)", {any, any});
    const auto n_spectra = flux.shape(0), n_pixels = flux.shape(1);
    const auto mask = optional<bool>(mask_given, "mask", "(N, P)", {n_spectra, n_pixels});
    py::array_t<T> median({n_spectra, n_pixels});
    const T* in = flux.data();
    T* out = median.mutable_data();
    const auto* bad = reinterpret_cast<const std::uint8_t*>(data(mask));
    {
        const py::gil_scoped_release release;
        MedianWorkspace workspace;
        auto checked = std::chrono::steady_clock::now();
        for (py::ssize_t i = 0; i < n_spectra; ++i) {
            const auto row = i * n_pixels;
            running_median(in + row, bad ? bad + row : nullptr, out + row, static_cast<std::size_t>(n_pixels),
                           half, workspace);
            if (const auto now = std::chrono::steady_clock::now();
                now - checked > std::chrono::milliseconds(50)) {
                checked = now;
                check_signals();
            }
        }
    }
    return median;
}

py::array median(const py::object& flux, const py::object& mask, py::ssize_t half) {
    if (half < 0)
        throw py::value_error("half: expected a number of pixels >= 0, got " + std::to_string(half));
    if (py::isinstance<py::array_t<float>>(flux))
        return median_of<float>(flux, mask, static_cast<std::size_t>(half));
    return median_of<double>(flux, mask, static_cast<std::size_t>(half));
}

} // namespace

void bind_running_median(py::module_& m) {
    m.def(
        "running_median", &median, py::arg("flux"), py::arg("mask") = py::none(), py::arg("half") = 200,
        "Median of the usable pixels within `half` pixels on each side, a row at a time.\n\n"
        "flux (N, P) float32 or float64; mask (N, P) bool, True = bad, or None. NaN where a window holds no\n"
        "usable pixel.");
}

} // namespace maury::bindings

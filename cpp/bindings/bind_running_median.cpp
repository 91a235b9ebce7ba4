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

// A row at a time, each with windows of its own or all with the same.
py::array_t<double> median_between(const py::object& flux_given, const py::object& mask_given,
                                   const py::object& first_given, const py::object& end_given) {
    const auto flux = array<double>(flux_given, "flux", "(N, P)", {any, any});
    const auto n = flux.shape(0), n_pixels = flux.shape(1);
    const auto mask = array<bool>(mask_given, "mask", "(N, P)", {n, n_pixels});
    const auto first = array<std::size_t>(first_given, "first", "(N or 1, P)", {any, n_pixels});
    const auto n_windows = first.shape(0);
    const auto end = array<std::size_t>(end_given, "end", "(N or 1, P)", {n_windows, n_pixels});
    if (n_windows != 1 && n_windows != n)
        throw py::value_error("first: expected 1 row or " + std::to_string(n) + ", got " +
                              std::to_string(n_windows));
    for (py::ssize_t i = 0; i < first.size(); ++i) {
        const bool starts = i % n_pixels == 0;
        if (first.data()[i] > end.data()[i] || end.data()[i] > static_cast<std::size_t>(n_pixels) ||
            (!starts && (first.data()[i] < first.data()[i - 1] || end.data()[i] < end.data()[i - 1])))
            throw py::value_error("first, end: expected first <= end <= P, neither falling along a row");
    }
    py::array_t<double> median({n, n_pixels});
    double* out = median.mutable_data();
    const auto* bad = reinterpret_cast<const std::uint8_t*>(mask.data());
    const py::gil_scoped_release release;
    for (py::ssize_t i = 0; i < n; ++i) {
        const auto row = i * n_pixels, window = n_windows == 1 ? 0 : row;
        windowed_median(flux.data() + row, bad + row, first.data() + window, end.data() + window, out + row,
                        static_cast<std::size_t>(n_pixels));
        if (i % 64 == 63)
            check_signals();
    }
    return median;
}

} // namespace

void bind_running_median(py::module_& m) {
    m.def(
        "running_median", &median, py::arg("flux"), py::arg("mask") = py::none(), py::arg("half") = 200,
        "Median of the usable pixels within `half` pixels on each side, a row at a time.\n\n"
        "flux (N, P) float32 or float64; mask (N, P) bool, True = bad, or None. NaN where a window holds no\n"
        "usable pixel.");
    m.def("windowed_median", &median_between, py::arg("flux"), py::arg("mask"), py::arg("first"),
          py::arg("end"),
          "The same in windows of pixels first to end - 1, (N, P) or (1, P) of the platform's size_t.");
}

} // namespace maury::bindings

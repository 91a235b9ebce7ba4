#include "bind_observed.hpp"

#include "arrays.hpp"
#include "module.hpp"

#include "maury/shift_scan.hpp"

#include <algorithm>
#include <cmath>

namespace maury::bindings {
namespace {

constexpr double farthest = 1e6, widest = 1e4; // pixels, and their squares

void check_numbers(const py::array_t<double>& array, const std::string& name, double least, double most) {
    for (py::ssize_t i = 0; i < array.size(); ++i)
        if (const double value = array.data()[i]; !(value >= least && value <= most))
            throw py::value_error(name + ": expected numbers from " + std::to_string(least) + " to " +
                                  std::to_string(most) + ", got " + std::to_string(value));
}

bool one_row(const py::object& argument, py::ssize_t n_spectra) {
    return py::isinstance<py::array>(argument) && py::reinterpret_borrow<py::array>(argument).shape(0) == 1 &&
           n_spectra != 1;
}

ObservedArrays make(const py::object& low, const py::object& high, const py::object& variance,
                    const py::object& arm, const py::object& resolution, const py::object& narrowing,
                    const py::object& shift, bool fit_shift, bool fit_arms, bool fit_extra,
                    double most_shift) {
    ObservedArrays made;
    made.shift = array<double>(shift, "shift", "(N,)", {any});
    const py::ssize_t n = made.shift.shape(0);
    made.view.one_grid = one_row(low, n);
    made.view.one_variance = one_row(resolution.is_none() ? variance : resolution, n);
    const py::ssize_t grids = made.view.one_grid ? 1 : n, variances = made.view.one_variance ? 1 : n;
    made.low = array<double>(low, "low", "(N, P)", {grids, any});
    const py::ssize_t n_pixels = made.low.shape(1);
    made.high = array<double>(high, "high", "(N, P)", {grids, n_pixels});
    made.variance = optional<double>(variance, "variance", "(N, P)", {variances, n_pixels});
    made.resolution = optional<double>(resolution, "resolution", "(N, P, D)", {variances, n_pixels, any});
    made.narrowing = optional<double>(narrowing, "narrowing", "(N, P)", {variances, n_pixels});
    if (!made.resolution != !made.narrowing || (made.resolution && made.variance))
        throw py::value_error("resolution, narrowing: expected both, and no variance, or neither");
    maury::Observed& view = made.view;
    if (!arm.is_none()) {
        made.arm = array<std::int32_t>(arm, "arm", "(N, P)", {grids, n_pixels});
        view.pixels.arm = made.arm->data();
        for (py::ssize_t i = 0; i < made.arm->size(); ++i) {
            if (view.pixels.arm[i] < 0 || view.pixels.arm[i] >= static_cast<std::int32_t>(Freedom::most_arms))
                throw py::value_error("arm: expected numbers from 0 to " +
                                      std::to_string(Freedom::most_arms - 1));
            view.freedom.n_arms =
                std::max(view.freedom.n_arms, static_cast<std::size_t>(view.pixels.arm[i]) + 1);
        }
    }
    check_numbers(made.low, "low", -farthest, farthest);
    check_numbers(made.high, "high", -farthest, farthest);
    check_numbers(made.shift, "shift", -farthest, farthest);
    for (py::ssize_t i = 0; i < made.low.size(); ++i)
        if (!(made.low.data()[i] < made.high.data()[i]))
            throw py::value_error("low, high: expected low < high in every pixel");
    if (made.variance)
        check_numbers(*made.variance, "variance", 0.0, widest);
    if (made.resolution)
        check_numbers(*made.resolution, "resolution", -widest, widest);
    if (made.narrowing)
        check_numbers(*made.narrowing, "narrowing", 0.0, 1.0);
    view.n_pixels = static_cast<std::size_t>(n_pixels);
    view.pixels.low = made.low.data();
    view.pixels.high = made.high.data();
    view.pixels.variance = data(made.variance);
    view.pixels.resolution = data(made.resolution);
    view.pixels.narrowing = data(made.narrowing);
    view.pixels.n_neighbours = made.resolution ? static_cast<std::size_t>(made.resolution->shape(2)) : 0;
    view.shift = made.shift.data();
    view.freedom.shift = fit_shift;
    view.freedom.arms = fit_arms;
    view.freedom.extra = fit_extra;
    view.freedom.most_shift = most_shift;
    return made;
}

py::array_t<double> see(const ObservedArrays& observed, const Emulator& emulator,
                        const py::object& labels_given, const py::object& nuisances_given) {
    const auto n = observed.shift.shape(0);
    const auto labels =
        array<double>(labels_given, "labels", "(N, L)", {n, static_cast<py::ssize_t>(emulator.n_labels())});
    const auto count = static_cast<py::ssize_t>(observed.view.freedom.count());
    const auto nuisances = array<double>(nuisances_given, "nuisances", "(N, ...)", {n, count});
    py::array_t<double> flux({n, static_cast<py::ssize_t>(observed.view.n_pixels)});
    double* out = flux.mutable_data();
    const py::gil_scoped_release release;
    maury::see(emulator, observed.view, static_cast<std::size_t>(n), labels.data(), nuisances.data(), out);
    return flux;
}

py::array_t<double> scan(const ObservedArrays& observed, const py::object& flux_given,
                         const py::object& ivar_given, const py::object& templates_given,
                         const py::object& scatter_given, double most_shift, int threads) {
    const auto n = observed.shift.shape(0), n_pixels = static_cast<py::ssize_t>(observed.view.n_pixels);
    const auto flux = array<double>(flux_given, "flux", "(N, P)", {n, n_pixels});
    const auto ivar = array<double>(ivar_given, "ivar", "(N, P)", {n, n_pixels});
    const auto templates = array<float>(templates_given, "templates", "(T, P of the emulator)", {any, any});
    const auto scatter =
        optional<double>(scatter_given, "scatter", "(P of the emulator,)", {templates.shape(1)});
    if (!(most_shift >= 0.0 && most_shift < farthest))
        throw py::value_error("most_shift: expected 0 or more pixels, got " + std::to_string(most_shift));
    py::array_t<double> shift(n);
    double* out = shift.mutable_data();
    const py::gil_scoped_release release;
    scan_shift(observed.view, static_cast<std::size_t>(n), flux.data(), ivar.data(), templates.data(),
               static_cast<std::size_t>(templates.shape(0)), static_cast<std::size_t>(templates.shape(1)),
               data(scatter), most_shift, out, threads, [](std::size_t) { check_signals(); });
    return shift;
}

} // namespace

void bind_observed(py::module_& m) {
    py::class_<ObservedArrays>(m, "Observed",
                               "Where the pixels of N spectra lie on the grid of an emulator, and what their "
                               "instruments do.\nSee cpp/include/maury/instrument.hpp and fit.hpp.")
        .def(py::init(&make), py::arg("low"), py::arg("high"), py::arg("variance"), py::arg("arm"),
             py::arg("resolution"), py::arg("narrowing"), py::arg("shift"), py::arg("fit_shift"),
             py::arg("fit_arms"), py::arg("fit_extra"), py::arg("most_shift"))
        .def_property_readonly("n_nuisances",
                               [](const ObservedArrays& self) { return self.view.freedom.count(); })
        .def("see", &see, py::arg("emulator"), py::arg("labels"), py::arg("nuisances"),
             "Flux (N, P) at labels (N, L), as the instruments show it.")
        .def("scan_shift", &scan, py::arg("flux"), py::arg("ivar"), py::arg("templates"), py::arg("scatter"),
             py::arg("most_shift"), py::arg("threads") = 0,
             "Shift (N,) by cross-correlation with templates (T, P of the emulator) float32. See\n"
             "cpp/include/maury/shift_scan.hpp.");
}

} // namespace maury::bindings

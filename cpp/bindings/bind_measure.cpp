#include "arrays.hpp"
#include "module.hpp"

#include "maury/measure.hpp"

#include <algorithm>
#include <memory>
#include <tuple>

#include <pybind11/stl.h>

namespace maury::bindings {
namespace {

std::vector<double> copy_of(const std::optional<py::array_t<double>>& given) {
    return given ? std::vector<double>(given->data(), given->data() + given->size()) : std::vector<double>();
}

std::unique_ptr<Plan> make_plan(const Emulator& emulator, const py::object& wavelength, const py::object& lsf,
                                const py::object& scatter, std::size_t window, const py::object& lower,
                                const py::object& upper, const py::object& candidates,
                                const py::object& templates, int threads, const py::object& modes) {
    const auto n_labels = static_cast<py::ssize_t>(emulator.n_labels());
    const auto none = std::vector<double>();
    WavelengthGrid grid(vector(wavelength, "wavelength"), lsf.is_none() ? none : vector(lsf, "lsf"),
                        scatter.is_none() ? none : vector(scatter, "scatter"), window);
    std::vector<double> low = vector(lower, "lower"), high = vector(upper, "upper");
    const std::vector<double> some = copy_of(
                                  optional<double>(candidates, "candidates", "(M, L)", {any, n_labels})),
                              few = copy_of(
                                  optional<double>(templates, "templates", "(T, L)", {any, n_labels})),
                              correlated = copy_of(
                                  optional<double>(modes, "modes", "(P, M)",
                                                   {static_cast<py::ssize_t>(emulator.n_pixels()), any}));
    const py::gil_scoped_release release;
    return std::make_unique<Plan>(
        emulator, std::move(grid), std::move(low), std::move(high), some, few, threads,
        [](std::size_t) { check_signals(); }, correlated);
}

// Spectra whose arrays are kept alive.
struct SpectraArrays {
    Spectra view;
    std::size_t n_arms = 1;
    std::vector<py::object> kept;

    template <typename T>
    const T* add(const py::object& argument, const char* name, const char* axes,
                 const std::vector<py::ssize_t>& shape) {
        if (argument.is_none())
            return nullptr;
        kept.push_back(array<T>(argument, name, axes, shape));
        return py::reinterpret_borrow<py::array_t<T>>(kept.back()).data();
    }
    // (P,) for all, or (N, P)
    template <typename T>
    const T* add_shared(const py::object& argument, const char* name, py::ssize_t n, py::ssize_t n_pixels,
                        bool& shared) {
        shared = argument.is_none() || (py::isinstance<py::array>(argument) &&
                                        py::reinterpret_borrow<py::array>(argument).ndim() == 1);
        return shared ? add<T>(argument, name, "(P,)", {n_pixels})
                      : add<T>(argument, name, "(N, P)", {n, n_pixels});
    }
};

SpectraArrays make_spectra(const py::object& wavelength, const py::object& flux, const py::object& ivar,
                           const py::object& mask, const py::object& lsf, const py::object& resolution,
                           const py::object& arm, const py::object& rv, const py::object& fit_rv,
                           const py::object& fit_arms, const py::object& starts, const py::object& guess,
                           const py::object& prior_mean, const py::object& prior_precision,
                           std::size_t n_labels) {
    SpectraArrays made;
    Spectra& view = made.view;
    const auto data = array<double>(flux, "flux", "(N, P)", {any, any});
    const py::ssize_t n = data.shape(0), n_pixels = data.shape(1), l = static_cast<py::ssize_t>(n_labels);
    view.n = static_cast<std::size_t>(n);
    view.n_pixels = static_cast<std::size_t>(n_pixels);
    view.flux = made.add<double>(flux, "flux", "(N, P)", {n, n_pixels});
    view.ivar = made.add<double>(ivar, "ivar", "(N, P)", {n, n_pixels});
    view.wavelength = made.add_shared<double>(wavelength, "wavelength", n, n_pixels, view.one_wavelength);
    view.mask = made.add<bool>(mask, "mask", "(N, P)", {n, n_pixels});
    view.sigma = made.add_shared<double>(lsf, "lsf", n, n_pixels, view.one_sigma);
    view.arm = made.add_shared<std::int32_t>(arm, "arm", n, n_pixels, view.one_arm);
    view.resolution = made.add<double>(resolution, "resolution", "(N, P, D)", {n, n_pixels, any});
    if (view.resolution)
        view.n_neighbours = static_cast<std::size_t>(py::reinterpret_borrow<py::array>(resolution).shape(2));
    view.rv = made.add<double>(rv, "rv", "(N,)", {n});
    view.fit_rv = made.add<bool>(fit_rv, "fit_rv", "(N,)", {n});
    view.fit_arms = made.add<bool>(fit_arms, "fit_arms", "(N,)", {n});
    view.starts = made.add<double>(starts, "starts", "(N, S, L)", {n, any, l});
    if (view.starts)
        view.n_given = static_cast<std::size_t>(py::reinterpret_borrow<py::array>(starts).shape(1));
    view.guess = made.add<double>(guess, "guess", "(N, L)", {n, l});
    view.prior_mean = made.add<double>(prior_mean, "prior_mean", "(N, L)", {n, l});
    if (view.prior_mean)
        view.prior_precision = made.add<double>(prior_precision, "prior_precision", "(N, L, L)", {n, l, l});
    const py::ssize_t n_arms = view.arm ? (view.one_arm ? n_pixels : n * n_pixels) : 0;
    for (py::ssize_t p = 0; p < n_arms; ++p)
        made.n_arms = std::max(made.n_arms, static_cast<std::size_t>(std::max(0, view.arm[p])) + 1);
    return made;
}

Options make_options(const py::dict& given) {
    Options options;
    for (const auto& [key, value] : given) {
        const auto name = key.cast<std::string>();
        if (name == "use_scatter")
            options.use_scatter = value.cast<bool>();
        else if (name == "continuum")
            options.continuum = value.cast<bool>();
        else if (name == "broadening")
            options.broadening = value.cast<bool>();
        else if (name == "max_rv")
            options.max_rv = value.cast<double>();
        else if (name == "clip")
            options.clip = value.cast<double>();
        else if (name == "n_starts")
            options.n_starts = value.cast<int>();
        else if (name == "max_evaluations")
            options.max_evaluations = value.cast<int>();
        else if (name == "leave_out")
            for (const auto& region : value) {
                const auto [low, high, moves] = region.cast<std::tuple<double, double, bool>>();
                options.leave_out.push_back({low, high, moves});
            }
        else
            throw py::value_error("options: unknown name '" + name + "'");
    }
    return options;
}

// Arrays of results, by name.
struct ResultArrays {
    py::dict all;
    template <typename T> T* make(const char* name, const std::vector<py::ssize_t>& shape) {
        py::array_t<T> made(shape);
        all[name] = made;
        return made.mutable_data();
    }
};

py::dict measure_spectra(const Plan& plan, const SpectraArrays& spectra, const py::dict& options_given,
                         int threads, const py::object& progress, bool models) {
    const Options options = make_options(options_given);
    const auto n = static_cast<py::ssize_t>(spectra.view.n),
               l = static_cast<py::ssize_t>(plan.emulator().n_labels()),
               p = static_cast<py::ssize_t>(spectra.view.n_pixels),
               a = static_cast<py::ssize_t>(spectra.n_arms);
    ResultArrays made;
    Results results{};
    results.labels = made.make<double>("labels", {n, l});
    results.covariance = made.make<double>("covariance", {n, l, l});
    results.noise_covariance = made.make<double>("noise_covariance", {n, l, l});
    results.chi2 = made.make<double>("chi2", {n});
    results.chi2_noise = made.make<double>("chi2_noise", {n});
    results.chi2_prior = made.make<double>("chi2_prior", {n});
    results.n_pixels = made.make<std::int32_t>("n_pixels", {n});
    results.n_clipped = made.make<std::int32_t>("n_clipped", {n});
    results.status = made.make<std::int32_t>("status", {n});
    results.n_evaluations = made.make<std::int32_t>("n_evaluations", {n});
    results.n_starts = made.make<std::int32_t>("n_starts", {n});
    results.n_agree = made.make<std::int32_t>("n_agree", {n});
    results.at_bound = made.make<bool>("at_bound", {n, l});
    results.guessed = made.make<bool>("guessed", {n});
    results.sharper = made.make<bool>("sharper", {n});
    results.rv = made.make<double>("rv", {n});
    results.rv_err = made.make<double>("rv_err", {n});
    results.n_arms = spectra.n_arms;
    results.arm_rv = made.make<double>("arm_rv", {n, a - 1});
    results.broadening = made.make<double>("broadening", {n});
    results.broadening_err = made.make<double>("broadening_err", {n});
    if (models) {
        results.model = made.make<double>("model", {n, p});
        results.continuum = made.make<double>("continuum", {n, p});
        results.weight = made.make<double>("weight", {n, p});
        results.flux = made.make<double>("flux", {n, p});
        results.ivar = made.make<double>("ivar", {n, p});
    }
    const auto wake = [&](std::size_t done) {
        check_signals();
        if (!progress.is_none()) {
            const py::gil_scoped_acquire acquire;
            progress(done);
        }
    };
    {
        const py::gil_scoped_release release;
        measure(plan, options, spectra.view, results, threads, wake);
    }
    return made.all;
}

py::dict show_spectra(const Plan& plan, const SpectraArrays& spectra, const py::dict& options_given,
                      const py::object& labels, const py::object& rv, const py::object& arm_rv,
                      const py::object& broadening, int threads) {
    const auto n = static_cast<py::ssize_t>(spectra.view.n),
               l = static_cast<py::ssize_t>(plan.emulator().n_labels()),
               p = static_cast<py::ssize_t>(spectra.view.n_pixels);
    const Options options = make_options(options_given);
    const auto at = array<double>(labels, "labels", "(N, L)", {n, l}),
               velocity = array<double>(rv, "rv", "(N,)", {n});
    const auto arms = optional<double>(arm_rv, "arm_rv", "(N, A - 1)", {n, any}),
               broad = optional<double>(broadening, "broadening", "(N,)", {n});
    ResultArrays made;
    Results results{};
    results.labels = const_cast<double*>(at.data()); // only read
    results.rv = const_cast<double*>(velocity.data());
    results.arm_rv = const_cast<double*>(data(arms));
    results.n_arms = arms ? static_cast<std::size_t>(arms->shape(1)) + 1 : spectra.n_arms;
    results.broadening = const_cast<double*>(data(broad));
    results.model = made.make<double>("model", {n, p});
    results.continuum = made.make<double>("continuum", {n, p});
    results.weight = made.make<double>("weight", {n, p});
    results.flux = made.make<double>("flux", {n, p});
    results.ivar = made.make<double>("ivar", {n, p});
    {
        const py::gil_scoped_release release;
        show(plan, options, spectra.view, results, threads, [](std::size_t) { check_signals(); });
    }
    return made.all;
}

py::array_t<double> chi2_of_spectra(const Plan& plan, const SpectraArrays& spectra,
                                    const py::dict& options_given, const py::object& points, int threads) {
    const Options options = make_options(options_given);
    const Spectra& view = spectra.view;
    const auto size =
        static_cast<py::ssize_t>(plan.emulator().n_labels() + (view.fit_rv ? 1 : 0) +
                                 (view.fit_arms ? spectra.n_arms - 1 : 0) + (options.broadening ? 1 : 0));
    const auto n = static_cast<py::ssize_t>(view.n);
    const auto values = array<double>(points, "points", "(N, M, Q)", {n, any, size});
    py::array_t<double> out({n, values.shape(1)});
    double* const to = out.mutable_data();
    {
        const py::gil_scoped_release release;
        chi2(plan, options, view, {static_cast<std::size_t>(values.shape(1)), spectra.n_arms, values.data()},
             to, threads, [](std::size_t) { check_signals(); });
    }
    return out;
}

} // namespace

void bind_measure(py::module_& m) {
    m.attr("MOST_ARM_SHIFT") = Options::most_arm_shift;
    m.attr("MOST_BROADENING") = Options::most_broadening;
    py::class_<Plan>(m, "Plan", "What all spectra that are measured with one emulator share.")
        .def(py::init(&make_plan), py::arg("emulator"), py::arg("wavelength"), py::arg("lsf"),
             py::arg("scatter"), py::arg("window"), py::arg("lower"), py::arg("upper"),
             py::arg("candidates") = py::none(), py::arg("templates") = py::none(), py::arg("threads") = 0,
             py::arg("modes") = py::none(), py::keep_alive<1, 2>());
    py::class_<SpectraArrays>(m, "Spectra",
                              "N spectra of P pixels, as observed. See cpp/include/maury/measure.hpp.")
        .def(py::init(&make_spectra), py::kw_only(), py::arg("wavelength"), py::arg("flux"), py::arg("ivar"),
             py::arg("mask") = py::none(), py::arg("lsf") = py::none(), py::arg("resolution") = py::none(),
             py::arg("arm") = py::none(), py::arg("rv") = py::none(), py::arg("fit_rv") = py::none(),
             py::arg("fit_arms") = py::none(), py::arg("starts") = py::none(), py::arg("guess") = py::none(),
             py::arg("prior_mean") = py::none(), py::arg("prior_precision") = py::none(),
             py::arg("n_labels"));
    m.def(
        "measure", &measure_spectra, py::arg("plan"), py::arg("spectra"), py::arg("options"), py::kw_only(),
        py::arg("threads") = 0, py::arg("progress") = py::none(), py::arg("models") = false,
        "Measure the labels of N spectra. See cpp/include/maury/measure.hpp for every argument and "
        "result.\n\n"
        "progress(done) is called about 20 times a second, in the calling thread. Ctrl-C ends the batch, if\n"
        "this is called from the main thread.");
    m.def("chi2", &chi2_of_spectra, py::arg("plan"), py::arg("spectra"), py::arg("options"),
          py::arg("points"), py::kw_only(), py::arg("threads") = 0,
          "chi2 (N, M) of N spectra at M points (N, M, Q). See cpp/include/maury/measure.hpp.");
    m.def("show", &show_spectra, py::arg("plan"), py::arg("spectra"), py::arg("options"), py::arg("labels"),
          py::arg("rv"), py::arg("arm_rv") = py::none(), py::arg("broadening") = py::none(), py::kw_only(),
          py::arg("threads") = 0, "Model and continuum (N, P) of fits that a catalogue holds.");
}

} // namespace maury::bindings

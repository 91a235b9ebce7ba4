#include "arrays.hpp"
#include "bind_observed.hpp"
#include "module.hpp"

#include "maury/fit.hpp"

#include <memory>

namespace maury::bindings {
namespace {

std::unique_ptr<FitPlan> make_plan(const Emulator& emulator, const py::object& lower_given,
                                   const py::object& upper_given, const py::object& candidates_given,
                                   int threads) {
    const auto n_labels = static_cast<py::ssize_t>(emulator.n_labels());
    const auto candidates = optional<double>(candidates_given, "candidates", "(M, L)", {any, n_labels});
    const std::vector<double> lower = vector(lower_given, "lower"), upper = vector(upper_given, "upper");
    for (const auto* bound : {&lower, &upper})
        if (bound->size() != emulator.n_labels())
            throw py::value_error(std::string(bound == &lower ? "lower" : "upper") +
                                  ": expected one value a label, " + std::to_string(n_labels) + ", got " +
                                  std::to_string(bound->size()));
    const auto n = static_cast<std::size_t>(candidates ? candidates->shape(0) : 0);
    const py::gil_scoped_release release;
    return std::make_unique<FitPlan>(emulator, lower.data(), upper.data(), data(candidates), n, threads,
                                     [](std::size_t) { check_signals(); });
}

// Medians that keep their arrays alive.
struct MedianArrays {
    Medians view;
    py::array_t<double> continuum;
    py::array_t<bool> good, inside;
    py::array_t<float> draws;
};

MedianArrays make_medians(const py::object& continuum, const py::object& good, const py::object& inside,
                          const py::object& draws, py::ssize_t half) {
    MedianArrays made;
    made.continuum = array<double>(continuum, "continuum", "(N, P)", {any, any});
    const py::ssize_t n = made.continuum.shape(0), n_pixels = made.continuum.shape(1);
    made.good = array<bool>(good, "good", "(N, P)", {n, n_pixels});
    made.inside = array<bool>(inside, "inside", "(N, P)", {n, n_pixels});
    made.draws = array<float>(draws, "draws", "(D, P)", {any, n_pixels});
    if (made.draws.shape(0) < 1)
        throw py::value_error("draws: expected one row at least");
    if (half < 1)
        throw py::value_error("half: expected 1 pixel or more, got " + std::to_string(half));
    made.view = {static_cast<std::size_t>(half),
                 made.continuum.data(),
                 made.good.data(),
                 made.inside.data(),
                 static_cast<std::size_t>(made.draws.shape(0)),
                 made.draws.data()};
    return made;
}

struct Choices {
    int n_starts, threads, max_evaluations;
    bool compress;
    double clip;
    const ObservedArrays* observed; // null: the emulator's own pixels
    const MedianArrays* medians;    // null: one fit
};

template <typename Number>
py::dict fit_in(const FitPlan& plan, const py::object& flux_given, const py::object& ivar_given,
                const py::object& scatter_given, const py::object& starts_given, const Choices& choices,
                const py::object& progress) {
    const auto n_labels = static_cast<py::ssize_t>(plan.emulator().n_labels());
    const auto n_grid = static_cast<py::ssize_t>(plan.emulator().n_pixels());
    const auto n_pixels =
        choices.observed ? static_cast<py::ssize_t>(choices.observed->view.n_pixels) : n_grid;
    const auto flux = array<Number>(flux_given, "flux", "(N, P)", {any, n_pixels});
    const py::ssize_t n = flux.shape(0);
    const auto ivar = array<Number>(ivar_given, "ivar", "(N, P)", {n, n_pixels});
    const auto scatter = optional<double>(scatter_given, "scatter", "(P,)", {n_grid});
    const auto starts = optional<double>(starts_given, "starts", "(N, S, L)", {n, any, n_labels});

    FitInput<Number> input;
    input.n_spectra = static_cast<std::size_t>(n);
    input.flux = flux.data();
    input.ivar = ivar.data();
    input.scatter = data(scatter);
    if (starts) {
        input.starts = starts->data();
        input.n_given = static_cast<std::size_t>(starts->shape(1));
    }
    input.n_starts = static_cast<std::size_t>(choices.n_starts);
    input.compress = choices.compress;
    input.clip = choices.clip;
    if (choices.observed) {
        if (choices.observed->shift.shape(0) != n)
            throw py::value_error("observed: expected " + std::to_string(n) +
                                  " spectra, one a row of flux, got " +
                                  std::to_string(choices.observed->shift.shape(0)));
        input.observed = &choices.observed->view;
    }
    if (choices.medians) {
        if (!input.observed || input.observed->freedom.count() > 0)
            throw py::value_error("medians: expected observed, with nothing but labels to fit");
        if (choices.medians->continuum.shape(0) != n || choices.medians->continuum.shape(1) != n_pixels)
            throw py::value_error("medians: expected the shape of flux " + shape_text({n, n_pixels}) +
                                  ", got " + describe(choices.medians->continuum));
        input.medians = &choices.medians->view;
    }
    const auto n_nuisances = static_cast<py::ssize_t>(input.observed ? input.observed->freedom.count() : 0);

    py::array_t<double> labels({n, n_labels}), covariance({n, n_labels, n_labels}), chi2(n), chi2_noise(n);
    py::array_t<std::int32_t> used(n), status(n), n_evaluations(n), n_starts(n), n_agree(n), n_clipped(n);
    py::array_t<double> nuisances({n, n_nuisances}), nuisance_errors({n, n_nuisances});
    py::array_t<bool> at_bound({n, n_labels});
    const std::vector<py::ssize_t> of_medians{choices.medians ? n : 0, n_pixels};
    py::array_t<double> flux_corrected(of_medians), ivar_corrected(of_medians), model(of_medians);
    FitOutput output{labels.mutable_data(),         covariance.mutable_data(), chi2.mutable_data(),
                     chi2_noise.mutable_data(),     used.mutable_data(),       status.mutable_data(),
                     n_evaluations.mutable_data(),  at_bound.mutable_data(),   n_starts.mutable_data(),
                     n_agree.mutable_data(),        n_clipped.mutable_data(),  nuisances.mutable_data(),
                     nuisance_errors.mutable_data()};
    if (choices.medians) {
        output.flux = flux_corrected.mutable_data();
        output.ivar = ivar_corrected.mutable_data();
        output.model = model.mutable_data();
    }
    SolveOptions options = fit_options();
    options.max_evaluations = choices.max_evaluations;

    const auto wake = [&](std::size_t done) {
        check_signals();
        if (!progress.is_none()) {
            const py::gil_scoped_acquire acquire;
            progress(done);
        }
    };
    {
        const py::gil_scoped_release release;
        fit_batch(plan, input, output, options, choices.threads, wake);
    }
    py::dict result;
    result["labels"] = labels;
    result["covariance"] = covariance;
    result["chi2"] = chi2;
    result["chi2_noise"] = chi2_noise;
    result["n_pixels"] = used;
    result["status"] = status;
    result["n_evaluations"] = n_evaluations;
    result["at_bound"] = at_bound;
    result["n_starts"] = n_starts;
    result["n_agree"] = n_agree;
    result["n_clipped"] = n_clipped;
    result["nuisances"] = nuisances;
    result["nuisance_errors"] = nuisance_errors;
    if (choices.medians) {
        result["flux"] = flux_corrected;
        result["ivar"] = ivar_corrected;
        result["model"] = model;
    }
    return result;
}

py::dict fit(const FitPlan& plan, const py::object& flux, const py::object& ivar, const py::object& scatter,
             const py::object& starts, int n_starts, int threads, int max_evaluations,
             const py::object& progress, bool compress, double clip, const ObservedArrays* observed,
             const MedianArrays* medians) {
    if (n_starts < 1)
        throw py::value_error("n_starts: expected 1 or more, got " + std::to_string(n_starts));
    if (max_evaluations < 1)
        throw py::value_error("max_evaluations: expected 1 or more, got " + std::to_string(max_evaluations));
    if (!(clip >= 0.0))
        throw py::value_error("clip: expected 0 or more, got " + std::to_string(clip));
    const Choices choices{n_starts, threads, max_evaluations, compress, clip, observed, medians};
    const auto fit_them = py::isinstance<py::array_t<float>>(flux) ? fit_in<float> : fit_in<double>;
    return fit_them(plan, flux, ivar, scatter, starts, choices, progress);
}

} // namespace

void bind_fit(py::module_& m) {
    py::class_<FitPlan>(m, "FitPlan", "What all fits with one emulator inside the same bounds share.")
        .def(py::init(&make_plan), py::arg("emulator"), py::arg("lower"), py::arg("upper"),
             py::arg("candidates") = py::none(), py::arg("threads") = 0, py::keep_alive<1, 2>());
    py::class_<MedianArrays>(
        m, "Medians",
        "The running medians (N, P) that normalised spectra, and noise (D, P) to tell how "
        "they err.\nSee cpp/include/maury/fit.hpp.")
        .def(py::init(&make_medians), py::arg("continuum"), py::arg("good"), py::arg("inside"),
             py::arg("draws"), py::arg("half"));
    m.def(
        "fit_batch", &fit, py::arg("plan"), py::arg("flux"), py::arg("ivar"), py::arg("scatter") = py::none(),
        py::arg("starts") = py::none(), py::arg("n_starts") = 6, py::arg("threads") = 0,
        py::arg("max_evaluations") = 200, py::arg("progress") = py::none(), py::arg("compress") = true,
        py::arg("clip") = 0.0, py::arg("observed") = py::none(), py::arg("medians") = py::none(),
        "Fit the labels of N spectra, both arrays float32 or both float64. See cpp/include/maury/fit.hpp "
        "for\n"
        "every argument and result.\n\n"
        "progress(done) is called about 20 times a second, in the calling thread. Ctrl-C ends the batch, if\n"
        "this is called from the main thread.");
}

} // namespace maury::bindings

#include "arrays.hpp"
#include "module.hpp"

#include "maury/parallel.hpp"
#include "misfit.hpp"
#include "residuals.hpp"

#include <pybind11/stl.h>

#include <utility>

namespace maury::bindings {
namespace {

// Normalised spectra (N, P) with their fits. wavelength (N, P), or (1, P) for all.
struct FitArrays {
    py::array_t<double> flux, ivar, model, scatter;
    py::ssize_t n, n_pixels;

    FitArrays(const py::object& flux_given, const py::object& ivar_given, const py::object& model_given,
              const py::object& scatter_given)
        : flux(array<double>(flux_given, "flux", "(N, P)", {any, any})), n(flux.shape(0)),
          n_pixels(flux.shape(1)) {
        ivar = array<double>(ivar_given, "ivar", "(N, P)", {n, n_pixels});
        model = array<double>(model_given, "model", "(N, P)", {n, n_pixels});
        scatter = array<double>(scatter_given, "scatter", "(N, P) or (1, P)", {any, n_pixels});
        one_scatter = scatter.shape(0) == 1;
        if (!one_scatter && scatter.shape(0) != n)
            throw py::value_error("scatter: expected as many rows as flux, or one");
    }
    NormalisedFit row(py::ssize_t i, const double* wavelength) const {
        const py::ssize_t at = i * n_pixels;
        return {static_cast<std::size_t>(n_pixels),
                wavelength,
                flux.data() + at,
                ivar.data() + at,
                model.data() + at,
                scatter.data() + (one_scatter ? 0 : at)};
    }

  private:
    bool one_scatter = false;
};

std::pair<py::array_t<double>, py::array_t<double>>
emission(const py::object& wavelength_given, const py::object& flux, const py::object& ivar,
         const py::object& model, const py::object& rv_given, const py::object& scatter) {
    const FitArrays fits(flux, ivar, model, scatter);
    const auto wavelength =
        array<double>(wavelength_given, "wavelength", "(N, P) or (1, P)", {any, fits.n_pixels});
    const auto rv = array<double>(rv_given, "rv", "(N,)", {fits.n});
    const py::ssize_t n_lines = static_cast<py::ssize_t>(emission_lines.size());
    py::array_t<double> height({fits.n, n_lines}), significance({fits.n, n_lines});
    double *to_height = height.mutable_data(), *to_significance = significance.mutable_data();
    const bool one = wavelength.shape(0) == 1;
    if (!one && wavelength.shape(0) != fits.n)
        throw py::value_error("wavelength: expected as many rows as flux, or one");
    {
        const py::gil_scoped_release release;
        EmissionSearch search;
        for (py::ssize_t i = 0; i < fits.n; ++i)
            for (py::ssize_t line = 0; line < n_lines; ++line)
                search.find(fits.row(i, wavelength.data() + (one ? 0 : i * fits.n_pixels)), rv.data()[i],
                            emission_lines[static_cast<std::size_t>(line)].wavelength, *to_height++,
                            *to_significance++);
    }
    return {height, significance};
}

std::pair<py::array_t<double>, py::array_t<double>> misfit(const py::object& flux, const py::object& ivar,
                                                           const py::object& model, const py::object& scatter,
                                                           std::size_t cell, std::size_t edge) {
    const FitArrays fits(flux, ivar, model, scatter);
    py::array_t<double> rms(fits.n), worst(fits.n);
    for (py::ssize_t i = 0; i < fits.n; ++i) {
        const SmoothMisfit found = smooth_misfit(fits.row(i, nullptr), {cell, edge});
        rms.mutable_data()[i] = found.rms;
        worst.mutable_data()[i] = found.worst;
    }
    return {rms, worst};
}

py::array_t<double> unexplained(const py::object& flux, const py::object& ivar, const py::object& model,
                                const py::object& scatter, std::size_t cell) {
    const FitArrays fits(flux, ivar, model, scatter);
    py::array_t<double> part(fits.n);
    for (py::ssize_t i = 0; i < fits.n; ++i)
        part.mutable_data()[i] = unexplained_part(fits.row(i, nullptr), cell);
    return part;
}

// Of N fitted spectra: emission, misfit, unexplained, snr (N,) each.
py::tuple residual_signs(const py::object& wavelength_given, const py::object& flux_given,
                         const py::object& ivar_given, const py::object& model_given,
                         const py::object& continuum_given, const py::object& rv_given,
                         const py::object& grid_given, const py::object& scatter_given, double window,
                         double held_out_rms, int threads) {
    const auto flux = array<double>(flux_given, "flux", "(N, P)", {any, any});
    const py::ssize_t n = flux.shape(0), p = flux.shape(1);
    const auto ivar = array<double>(ivar_given, "ivar", "(N, P)", {n, p}),
               model = array<double>(model_given, "model", "(N, P)", {n, p}),
               continuum = array<double>(continuum_given, "continuum", "(N, P)", {n, p}),
               wavelength = array<double>(wavelength_given, "wavelength", "(N, P) or (1, P)", {any, p}),
               rv = array<double>(rv_given, "rv", "(N,)", {n});
    const bool one = wavelength.shape(0) == 1;
    if (!one && wavelength.shape(0) != n)
        throw py::value_error("wavelength: expected as many rows as flux, or one");
    const std::vector<double> grid = vector(grid_given, "grid"), scatter = vector(scatter_given, "scatter");
    py::array_t<bool> emission(n), misfit(n);
    py::array_t<double> unexplained(n), snr(n);
    bool *to_emission = emission.mutable_data(), *to_misfit = misfit.mutable_data();
    double *to_unexplained = unexplained.mutable_data(), *to_snr = snr.mutable_data();
    if (n > 0) {
        const py::gil_scoped_release release;
        std::vector<Residuals> workers(worker_count(static_cast<std::size_t>(n), threads),
                                       Residuals(grid, scatter, window, held_out_rms));
        parallel_for(
            static_cast<std::size_t>(n), threads,
            [&](std::size_t worker, std::size_t i, const StopFlag&) {
                const auto at = static_cast<py::ssize_t>(i) * p;
                const ResidualSigns found = workers[worker].judge(
                    {static_cast<std::size_t>(p), wavelength.data() + (one ? 0 : at), flux.data() + at,
                     ivar.data() + at, model.data() + at, continuum.data() + at, rv.data()[i]});
                to_emission[i] = found.emission;
                to_misfit[i] = found.misfit;
                to_unexplained[i] = found.unexplained;
                to_snr[i] = found.snr;
            },
            [](std::size_t) { check_signals(); });
    }
    return py::make_tuple(emission, misfit, unexplained, snr);
}

} // namespace

void bind_residuals(py::module_& m) {
    py::dict lines;
    for (const EmissionLine& line : emission_lines)
        lines[py::str(line.name)] = line.wavelength;
    m.attr("EMISSION_LINES") = lines;
    m.def("emission_lines", &emission, py::arg("wavelength"), py::arg("flux"), py::arg("ivar"),
          py::arg("model"), py::arg("rv"), py::arg("scatter"),
          "Height and significance (N, M) of emission. See cpp/src/emission.hpp.");
    m.def(
        "shows_emission",
        [](const py::object& height_given, const py::object& significance_given) {
            const py::ssize_t n_lines = static_cast<py::ssize_t>(emission_lines.size());
            const auto height = array<double>(height_given, "height", "(N, M)", {any, n_lines});
            const auto significance =
                array<double>(significance_given, "significance", "(N, M)", {height.shape(0), n_lines});
            py::array_t<bool> shows(height.shape(0));
            for (py::ssize_t i = 0; i < height.shape(0); ++i)
                shows.mutable_data()[i] =
                    shows_emission(height.data() + i * n_lines, significance.data() + i * n_lines);
            return shows;
        },
        py::arg("height"), py::arg("significance"), "Whether lines (N, M) are those of an emission star.");
    m.def("residual_signs", &residual_signs, py::arg("wavelength"), py::arg("flux"), py::arg("ivar"),
          py::arg("model"), py::arg("continuum"), py::arg("rv"), py::arg("grid"), py::arg("scatter"),
          py::arg("window"), py::arg("held_out_rms"), py::arg("threads") = 0,
          "Emission, misfit, unexplained part and S/N (N,) of fits. See cpp/src/residuals.hpp.");
    m.def("smooth_misfit", &misfit, py::arg("flux"), py::arg("ivar"), py::arg("model"), py::arg("scatter"),
          py::arg("cell"), py::arg("edge"), "rms and largest value (N,) in cells. See cpp/src/misfit.hpp.");
    m.def("unexplained_part", &unexplained, py::arg("flux"), py::arg("ivar"), py::arg("model"),
          py::arg("scatter"), py::arg("cell"), "Part (N,) of the features. See cpp/src/misfit.hpp.");
    m.def("usual_error", &usual_error, py::arg("held_out_rms"), "Not less than the continuum allows.");
}

} // namespace maury::bindings

#include "maury/measure.hpp"

#include "emulator_checks.hpp"
#include "maury/parallel.hpp"
#include "spectrum_fit.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

namespace maury {
namespace {

void check(const Plan& plan, const Options& options, const Spectra& spectra, const Results& results) {
    require(options.n_starts >= 1, "n_starts: expected 1 or more, got " + std::to_string(options.n_starts));
    require(options.max_evaluations >= 1,
            "max_evaluations: expected 1 or more, got " + std::to_string(options.max_evaluations));
    require(options.clip >= 0.0,
            "clip: expected a number of sigma, or 0 for no clipping, got " + std::to_string(options.clip));
    require(options.max_rv > 0.0 && options.max_rv < 0.5 * speed_of_light,
            "max_rv: expected km/s above 0, got " + std::to_string(options.max_rv));
    require(spectra.wavelength && spectra.flux && spectra.ivar, "wavelength, flux, ivar: expected all three");
    require(!spectra.resolution || spectra.n_neighbours > 0, "resolution: expected at least one neighbour");
    require(!spectra.starts || spectra.n_given > 0, "starts: expected at least one per spectrum");
    bool moves = false;
    for (std::size_t i = 0; i < spectra.n; ++i)
        moves = moves || (spectra.fit_rv && spectra.fit_rv[i]) || (spectra.fit_arms && spectra.fit_arms[i]) ||
                options.broadening;
    require(!moves || plan.grid().even(),
            "velocity: the wavelengths of this emulator are not even in log10, so velocities and broadening "
            "cannot be fitted; give velocities in the spectra, and velocity='given'");
    const std::size_t n_arms = spectra.arm ? (spectra.one_arm ? 1 : spectra.n) * spectra.n_pixels : 0;
    for (std::size_t p = 0; p < n_arms; ++p)
        require(spectra.arm[p] >= 0 && spectra.arm[p] < Spectra::most_arms &&
                    static_cast<std::size_t>(spectra.arm[p]) < results.n_arms,
                "arm: expected numbers from 0 to " + std::to_string(Spectra::most_arms - 1) +
                    ", below the number of arms of the results");
    require(results.n_arms >= 1, "results: expected one arm at least");
}

template <typename Each>
void each_spectrum(const Plan& plan, const Options& options, const Spectra& spectra, const Results& results,
                   int threads, const std::function<void(std::size_t)>& wake, const Each& each) {
    if (spectra.n == 0)
        return;
    check(plan, options, spectra, results);
    std::vector<std::unique_ptr<SpectrumFit>> fits;
    for (std::size_t worker = 0; worker < worker_count(spectra.n, threads); ++worker)
        fits.push_back(std::make_unique<SpectrumFit>(plan, options, spectra, results));
    parallel_for(
        spectra.n, threads,
        [&](std::size_t worker, std::size_t i, const StopFlag& stop) { each(*fits[worker], i, stop); }, wake);
}

} // namespace

void measure(const Plan& plan, const Options& options, const Spectra& spectra, const Results& results,
             int threads, const std::function<void(std::size_t)>& wake) {
    each_spectrum(plan, options, spectra, results, threads, wake,
                  [](SpectrumFit& fit, std::size_t i, const StopFlag& stop) { fit.fit(i, stop); });
}

void show(const Plan& plan, const Options& options, const Spectra& spectra, const Results& results,
          int threads, const std::function<void(std::size_t)>& wake) {
    each_spectrum(plan, options, spectra, results, threads, wake,
                  [](SpectrumFit& fit, std::size_t i, const StopFlag& stop) { fit.show(i, stop); });
}

void chi2(const Plan& plan, const Options& options, const Spectra& spectra, const Points& points, double* out,
          int threads, const std::function<void(std::size_t)>& wake) {
    Results none{};
    none.n_arms = points.n_arms;
    each_spectrum(plan, options, spectra, none, threads, wake,
                  [&](SpectrumFit& fit, std::size_t i, const StopFlag& stop) {
                      fit.chi2(i, points, out + i * points.n, stop);
                  });
}

} // namespace maury

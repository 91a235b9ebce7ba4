// A spectrum at given labels and velocities: its models, and its chi2.
#include "spectrum_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {
namespace {

bool finite(const double* values, std::size_t n) {
    return std::all_of(values, values + n, [](double value) { return std::isfinite(value); });
}

} // namespace

// Weights at the velocity rv [km/s]. false: too few pixels
bool SpectrumFit::weigh_at(std::size_t i, double rv, const StopFlag& stop) {
    const WavelengthGrid& grid = plan_.grid();
    spectrum_ = i;
    pixels_.set(spectra_, i, rv);
    shift_ = grid.even() ? grid.to_shift(rv) : 0.0;
    pixels_.see_at(shift_);
    if (options_.continuum)
        first_continuum_.set(pixels_, grid, shift_, 1.0);
    normalise();
    return weigh(i, stop);
}

void SpectrumFit::show(std::size_t i, const StopFlag& stop) {
    store_no_models(i);
    free_ = false;
    weigh_at(i, std::isfinite(results_.rv[i]) ? results_.rv[i] : 0.0, stop);
    emulator_.to_scaled(results_.labels + i * n_, best_.data());
    if (!finite(best_.data(), n_))
        return;
    nuisances_.arms = results_.arm_rv && nuisances_.n_arms > 1;
    const double pixel = plan_.grid().pixel_velocity(),
                 broadening = results_.broadening ? results_.broadening[i] : 0.0;
    nuisances_.extra = std::isfinite(broadening) && broadening != 0.0;
    best_.resize(n_ + nuisances_.count());
    std::size_t k = n_;
    for (std::size_t arm = 1; nuisances_.arms && arm < nuisances_.n_arms; ++arm) {
        const double value =
            arm < results_.n_arms ? results_.arm_rv[i * (results_.n_arms - 1) + arm - 1] : 0.0;
        best_[k++] = std::isfinite(value) && pixel > 0.0 ? value / pixel : 0.0;
    }
    if (nuisances_.extra)
        best_[k] = std::copysign(broadening / pixel * (broadening / pixel), broadening);
    set_finish(stop);
    finish_.set_reach(0.0);
    for (int round = 0; options_.clip > 0.0 && round <= most_rounds && leave_out_outliers(); ++round) {
    }
    finish_.chi2(best_.data());
    store_models(i);
}

void SpectrumFit::chi2(std::size_t i, const Points& points, double* out, const StopFlag& stop) {
    std::fill_n(out, points.n, std::numeric_limits<double>::quiet_NaN());
    free_ = spectra_.fit_rv && spectra_.fit_rv[i];
    if (!weigh_at(i, known_velocity(i), stop))
        return;
    finish_.set_reach(0.0); // the chi2 of a point depends on that point alone
    const double pixel = plan_.grid().pixel_velocity();
    const std::size_t arms = n_ + (spectra_.fit_rv ? 1 : 0),
                      extra = arms + (spectra_.fit_arms ? points.n_arms - 1 : 0),
                      size = extra + (options_.broadening ? 1 : 0);
    for (std::size_t m = 0; m < points.n; ++m) {
        const double* const point = points.values + (i * points.n + m) * size;
        if (!finite(point, size))
            continue;
        emulator_.to_scaled(point, trial_.data());
        std::size_t k = n_;
        if (nuisances_.shift)
            trial_[k++] = plan_.grid().to_shift(point[n_]);
        for (std::size_t arm = 1; nuisances_.arms && arm < nuisances_.n_arms; ++arm)
            trial_[k++] = point[arms + arm - 1] / pixel;
        if (nuisances_.extra)
            trial_[k] = std::copysign(std::pow(point[extra] / pixel, 2), point[extra]);
        out[m] = finish_.chi2(trial_.data());
    }
}

} // namespace maury

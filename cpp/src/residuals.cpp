#include "residuals.hpp"

#include "median.hpp"
#include "misfit.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace maury {
namespace {

constexpr double least_error = 0.008; // to which local lines reproduce the running median of training spectra
constexpr std::size_t every = 8;      // pixels: one of so many tells the width of pixels

// As numpy.interp: linear, constant beyond the ends, NaN for NaN. The interval is looked for from i on, that
// of the last x, since neighbours lie near each other.
double interpolated(double x, const std::vector<double>& at, const std::vector<double>& values,
                    std::size_t& i) {
    if (std::isnan(x))
        return x;
    if (x <= at.front())
        return values.front();
    if (x >= at.back())
        return values.back();
    while (at[i + 1] <= x)
        ++i;
    while (at[i] > x)
        --i;
    return (values[i + 1] - values[i]) / (at[i + 1] - at[i]) * (x - at[i]) + values[i];
}

} // namespace

double usual_error(double held_out_rms) { return std::max(least_error, held_out_rms); }

Residuals::Residuals(const std::vector<double>& wavelength, const std::vector<double>& scatter, double window,
                     double held_out_rms)
    : wavelength_(wavelength), scatter_(scatter), grid_(wavelength, {}, {}, 1), window_(window),
      usual_(usual_error(held_out_rms)) {}

ResidualSigns Residuals::judge(const FittedSpectrum& spectrum) {
    normalise(spectrum);
    const NormalisedFit fit{spectrum.n,   spectrum.wavelength, flux_.data(),
                            ivar_.data(), model_.data(),       noise_.data()};
    ResidualSigns signs;
    std::array<double, emission_lines.size()> height, significance;
    for (std::size_t line = 0; line < emission_lines.size(); ++line)
        search_.find(fit, spectrum.rv, emission_lines[line].wavelength, height[line], significance[line]);
    signs.emission = shows_emission(height.data(), significance.data());
    const CellSize size = cell_size(pixel_width(spectrum), window_);
    signs.misfit = is_misfit(smooth_misfit(fit, size), usual_);
    signs.unexplained = unexplained_part(fit, size.cell);
    some_.clear();
    for (std::size_t p = 0; p < spectrum.n; ++p)
        if (ivar_[p] > 0.0 && !std::isnan(flux_[p]))
            some_.push_back(flux_[p] * std::sqrt(ivar_[p]));
    signs.snr = some_.empty() ? 0.0 : median(some_);
    return signs;
}

// Data and model without the continuum, and the scatter of the emulator in each pixel.
void Residuals::normalise(const FittedSpectrum& spectrum) {
    for (auto* values : {&flux_, &ivar_, &model_, &noise_})
        values->resize(spectrum.n);
    const double stretch = 1.0 + (std::isfinite(spectrum.rv) ? spectrum.rv : 0.0) / speed_of_light;
    std::size_t interval = 0;
    for (std::size_t p = 0; p < spectrum.n; ++p) {
        const double c = spectrum.continuum[p];
        flux_[p] = spectrum.flux[p] / c;
        model_[p] = spectrum.model[p] / c;
        ivar_[p] = spectrum.ivar[p] * c * c;
        noise_[p] = interpolated(spectrum.wavelength[p] / stretch, wavelength_, scatter_, interval);
    }
}

// Median width of the pixels, in pixels of the emulator.
double Residuals::pixel_width(const FittedSpectrum& spectrum) {
    some_.clear();
    for (std::size_t p = 0; p + 1 < spectrum.n; p += every) {
        const double right = spectrum.wavelength[p + 1],
                     step = std::abs(right - spectrum.wavelength[p]) / grid_.width(right);
        if (std::isfinite(step))
            some_.push_back(step);
    }
    return some_.empty() ? 1.0 : median(some_);
}

} // namespace maury

#include "median_ratio.hpp"

#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>

namespace maury {

MedianRatio::MedianRatio(const Emulator& emulator, const Observed& observed, const Medians& medians)
    : emulator_(emulator), observed_(observed), medians_(medians), native_(emulator.n_pixels()),
      shift_(observed.freedom.n_arms), native_shift_(shift_.size()),
      activations_(simd::padded(emulator.n_inputs())), coefficients_(emulator.n_pixels() + Instrument::pad) {
    for (auto* values : {&seen_flux_, &native_flux_, &continuum_, &expected_, &ratio_})
        values->resize(observed.n_pixels);
    for (auto* values : {&star_, &noise_, &noisy_, &median_})
        values->resize(observed.n_pixels);
    bad_.resize(observed.n_pixels);
}

const double* MedianRatio::of(std::size_t i, const View& view, const double* ivar,
                              const double* activations) {
    const std::size_t n = observed_.n_pixels;
    see(i, view, activations);
    bridge(i);
    for (std::size_t p = 0; p < n; ++p) {
        star_[p] = static_cast<float>(continuum_[p] * seen_flux_[p]);
        noise_[p] = ivar[p] > 0.0 ? static_cast<float>(continuum_[p] / std::sqrt(ivar[p])) : 0.0f;
    }
    std::fill(expected_.begin(), expected_.end(), 0.0);
    const float* draw = medians_.draws;
    for (std::size_t d = 0; d < medians_.n_draws; ++d, draw += n)
        for (const float sign : {1.0f, -1.0f}) {
            for (std::size_t p = 0; p < n; ++p)
                noisy_[p] = star_[p] + sign * draw[p] * noise_[p];
            median(noisy_.data(), medians_.good + i * n, median_.data());
            for (std::size_t p = 0; p < n; ++p)
                expected_[p] += static_cast<double>(median_[p]);
        }
    for (std::size_t p = 0; p < n; ++p)
        star_[p] = static_cast<float>(continuum_[p] * native_flux_[p]);
    median(star_.data(), medians_.inside + i * n, median_.data());
    const double draws = 2.0 * static_cast<double>(medians_.n_draws);
    for (std::size_t p = 0; p < n; ++p) {
        const double ratio = expected_[p] / (draws * static_cast<double>(median_[p]));
        ratio_[p] = std::isfinite(ratio) && ratio > 0.0 ? ratio : 1.0;
    }
    return ratio_.data();
}

// Spectra that share their pixels and their velocity share what is native.
void MedianRatio::see(std::size_t i, const View& view, const double* activations) {
    std::fill(shift_.begin(), shift_.end(), observed_.shift ? observed_.shift[i] : 0.0);
    const ObservedPixels pixels = pixels_of(observed_, i);
    if (!native_placed_ || !observed_.one_grid || shift_ != native_shift_) {
        ObservedPixels sharp;
        sharp.n = pixels.n;
        sharp.low = pixels.low;
        sharp.high = pixels.high;
        sharp.arm = pixels.arm;
        native_.set(sharp);
        native_.place(shift_, 0.0, Instrument::Derivatives::none);
        native_shift_ = shift_;
        native_placed_ = true;
    }
    const Spline& spline = emulator_.spline();
    std::copy_n(activations, activations_.size(), activations_.begin());
    simd::kernels().expand_single(spline.rows.data(), activations_.size(), emulator_.n_pixels(),
                                  activations_.data(), spline.bias.data(), coefficients_.data());
    view.see_all(coefficients_.data(), seen_flux_.data());
    native_.apply(coefficients_.data(), 0, 1, native_flux_.data(), 0);
}

// The continuum where it is good, lines between, the nearest beyond; 1 where nothing is good.
void MedianRatio::bridge(std::size_t i) {
    const std::size_t n = observed_.n_pixels;
    const double* continuum = medians_.continuum + i * n;
    const bool* good = medians_.good + i * n;
    std::size_t before = n; // the last good pixel; n: none yet
    for (std::size_t p = 0; p < n; ++p) {
        if (!(good[p] && std::isfinite(continuum[p]) && continuum[p] > 0.0))
            continue;
        const std::size_t from = before < n ? before : p, first = before < n ? before + 1 : 0;
        const double slope =
            from < p ? (continuum[p] - continuum[from]) / static_cast<double>(p - from) : 0.0;
        for (std::size_t q = first; q < p; ++q)
            continuum_[q] = continuum[from] + slope * static_cast<double>(q - first + 1);
        continuum_[p] = continuum[p];
        before = p;
    }
    std::fill(continuum_.begin() + static_cast<std::ptrdiff_t>(before < n ? before + 1 : 0), continuum_.end(),
              before < n ? continuum[before] : 1.0);
}

void MedianRatio::median(const float* flux, const bool* used, float* out) {
    for (std::size_t p = 0; p < bad_.size(); ++p)
        bad_[p] = !used[p];
    running_median(flux, bad_.data(), out, bad_.size(), medians_.half, work_);
}

} // namespace maury

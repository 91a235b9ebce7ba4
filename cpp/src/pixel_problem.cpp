#include "pixel_problem.hpp"

#include "simd/kernels.hpp"

#include <cmath>

namespace maury {

PixelProblem::PixelProblem(const Emulator& emulator)
    : emulator_(emulator), work_(emulator), flux_(emulator.n_pixels()), ivar_(emulator.n_pixels()),
      weight_(emulator.n_pixels()), model_(emulator.n_pixels()), residual_(emulator.n_pixels()),
      weighted_(emulator.n_pixels()), jacobian_(emulator.n_pixels() * emulator.n_labels()) {}

std::size_t PixelProblem::set(const double* flux, const double* ivar, const double* scatter,
                              const StopFlag& stop) {
    stop_ = &stop;
    std::size_t usable = 0;
    for (std::size_t p = 0; p < flux_.size(); ++p) {
        const double rms = scatter ? scatter[p] : 0.0;
        double weight = 1.0 / (1.0 / ivar[p] + rms * rms);
        if (!(std::isfinite(flux[p]) && std::isfinite(ivar[p]) && ivar[p] > 0.0 && std::isfinite(weight)))
            weight = 0.0;
        weight_[p] = weight;
        flux_[p] = weight > 0.0 ? flux[p] : 0.0;
        ivar_[p] = weight > 0.0 ? ivar[p] : 0.0;
        usable += weight > 0.0;
    }
    return usable;
}

double PixelProblem::chi2(const double* x) {
    stop_->check();
    emulator_.flux_scaled(x, work_, model_.data());
    return chi2_of(model_.data());
}

// With J = d model / d x and r = model - flux: gradient = J'Wr, hessian = J'WJ.
void PixelProblem::derivatives(const double*, double* gradient, double* hessian) {
    stop_->check();
    const std::size_t n_labels = emulator_.n_labels(), n_pixels = flux_.size();
    emulator_.jacobian_scaled(work_, jacobian_.data());
    for (std::size_t p = 0; p < n_pixels; ++p)
        residual_[p] = model_[p] - flux_[p];
    for (std::size_t i = 0; i < n_labels; ++i) {
        const double* row = jacobian_.data() + i * n_pixels;
        for (std::size_t p = 0; p < n_pixels; ++p)
            weighted_[p] = weight_[p] * row[p];
        gradient[i] = simd::dot(weighted_.data(), residual_.data(), n_pixels);
        for (std::size_t j = 0; j <= i; ++j) {
            const double sum = simd::dot(weighted_.data(), jacobian_.data() + j * n_pixels, n_pixels);
            hessian[i * n_labels + j] = sum;
            hessian[j * n_labels + i] = sum;
        }
    }
}

double PixelProblem::chi2_of(const double* model) const {
    return simd::weighted_square(weight_.data(), flux_.data(), model, flux_.size());
}

double PixelProblem::chi2_noise() const {
    return simd::weighted_square(ivar_.data(), flux_.data(), model_.data(), flux_.size());
}

} // namespace maury

#include "maury/compress.hpp"

#include "simd/kernels.hpp"

#include <algorithm>

namespace maury {
namespace {

// By measurement: from about here the Gram matrix costs more than the fit in pixel space.
constexpr std::size_t most_coefficients = 128, least_pixels_a_coefficient = 8;

} // namespace

bool compresses(const Emulator& emulator) {
    const std::size_t n = emulator.n_coefficients();
    return n <= most_coefficients && least_pixels_a_coefficient * n < emulator.n_pixels();
}

Basis::Basis(const Emulator& emulator)
    : mean_(emulator.n_pixels()), middle_(emulator.n_coefficients()),
      tiles_(simd::padded(emulator.n_coefficients()) * emulator.n_pixels()) {
    const std::size_t n_pixels = emulator.n_pixels(), n = emulator.n_coefficients();
    Emulator::Workspace work(emulator);
    const std::vector<double> middle_of_range(emulator.n_labels(), 0.0);
    emulator.flux_scaled(middle_of_range.data(), work, mean_.data());
    emulator.coefficients_scaled(middle_of_range.data(), work, middle_.data());
    std::vector<double> basis(n_pixels * n);
    emulator.basis(basis.data());
    for (std::size_t p = 0; p < n_pixels; ++p)
        for (std::size_t k = 0; k < n; ++k)
            tiles_[(k / simd::panel * n_pixels + p) * simd::panel + k % simd::panel] = basis[p * n + k];
}

CompressedProblem::CompressedProblem(const Emulator& emulator, const Basis& basis)
    : emulator_(emulator), basis_(basis), work_(emulator), n_(emulator.n_coefficients()),
      stride_(simd::padded(n_)), linear_(stride_), gram_(stride_ * stride_), residual_(emulator.n_pixels()),
      offset_(n_), slope_(n_), tangents_(emulator.n_labels() * n_), column_(n_),
      scratch_(simd::gram_scratch(n_)) {}

void CompressedProblem::set(const double* flux, const double* weight, const StopFlag& stop) {
    stop_ = &stop;
    stop.check();
    const double* mean = basis_.mean().data();
    const std::size_t n_pixels = residual_.size();
    for (std::size_t p = 0; p < n_pixels; ++p)
        residual_[p] = flux[p] - mean[p];
    constant_ = simd::weighted_square(weight, flux, mean, n_pixels);
    std::fill(linear_.begin(), linear_.end(), 0.0);
    std::fill(gram_.begin(), gram_.end(), 0.0);
    simd::gram(basis_.tiles().data(), n_pixels, n_, weight, residual_.data(), gram_.data(), linear_.data(),
               scratch_.data());
    for (std::size_t i = 0; i < n_; ++i)
        for (std::size_t j = 0; j < i; ++j)
            gram_[i * stride_ + j] = gram_[j * stride_ + i];
}

double CompressedProblem::chi2_of(const double* coefficients) {
    double sum = constant_;
    for (std::size_t i = 0; i < n_; ++i)
        offset_[i] = coefficients[i] - basis_.middle()[i];
    for (std::size_t i = 0; i < n_; ++i) {
        slope_[i] = simd::dot(&gram_[i * stride_], offset_.data(), n_) - linear_[i];
        sum += offset_[i] * (slope_[i] - linear_[i]);
    }
    return sum;
}

double CompressedProblem::chi2(const double* x) {
    stop_->check();
    emulator_.coefficients_scaled(x, work_, column_.data());
    return chi2_of(column_.data());
}

// With T = d h / d x: gradient = T'(G d - c), hessian = T'G T.
void CompressedProblem::derivatives(const double*, double* gradient, double* hessian) {
    stop_->check();
    const std::size_t n_labels = emulator_.n_labels();
    emulator_.tangents_scaled(work_, tangents_.data());
    for (std::size_t i = 0; i < n_labels; ++i) {
        const double* tangent = &tangents_[i * n_];
        gradient[i] = simd::dot(tangent, slope_.data(), n_);
        for (std::size_t k = 0; k < n_; ++k)
            column_[k] = simd::dot(&gram_[k * stride_], tangent, n_);
        for (std::size_t j = 0; j <= i; ++j) {
            const double sum = simd::dot(column_.data(), &tangents_[j * n_], n_);
            hessian[i * n_labels + j] = sum;
            hessian[j * n_labels + i] = sum;
        }
    }
}

} // namespace maury

#include "maury/compress.hpp"

#include "simd/kernels.hpp"

#include <cmath>

namespace maury {
namespace {

// By measurement: from about here the Gram matrix costs more than the fit in pixel space.
constexpr std::size_t most_coefficients = 128, least_pixels_a_coefficient = 8;

} // namespace

bool compresses(const Emulator& emulator) {
    const std::size_t n = emulator.basis().n_coefficients;
    return emulator.is_cut() ||
           (n <= most_coefficients && least_pixels_a_coefficient * n < emulator.n_pixels());
}

Compressed::Compressed(const Basis& basis)
    : basis_(basis), linear_(basis.stride), gram_(basis.stride * basis.stride),
      packed_gram_(basis.stride * basis.n_coefficients), scratch_(simd::gram_scratch(basis.n_coefficients)),
      offset_(basis.n_coefficients), product_(basis.n_coefficients) {}

bool Compressed::set(const double* flux, const double* weight, const float* rows, const double* mean,
                     std::size_t n_pixels, const StopFlag& stop) {
    stop.check();
    const std::size_t n = n_coefficients();
    root_.resize(n_pixels);
    residual_.resize(n_pixels);
    const auto& kernels = simd::kernels();
    constant_ = kernels.weighted_square(weight, flux, mean, n_pixels);
    // Float32 has a small range: weights enter in units of their largest.
    const double heaviest =
        kernels.weighted_difference(weight, flux, mean, n_pixels, root_.data(), residual_.data());
    kernels.gram(rows, n_pixels, n, root_.data(), residual_.data(), gram_.data(), linear_.data(),
                 scratch_.data());
    for (double& value : linear_)
        value *= heaviest;
    for (double& value : gram_)
        value *= heaviest;
    for (std::size_t i = 0; i < stride(); i += simd::panel) // symmetric: a row is a column
        for (std::size_t k = 0; k < n; ++k)
            for (std::size_t lane = 0; lane < simd::panel; ++lane)
                packed_gram_[i * n + k * simd::panel + lane] =
                    static_cast<float>(gram_[k * stride() + i + lane]);
    bool finite = std::isfinite(constant_); // no product is larger than the squares on the diagonal
    for (std::size_t k = 0; k < n; ++k)
        finite = finite && std::isfinite(linear_[k]) && std::isfinite(gram(k)[k]);
    return finite;
}

double Compressed::chi2(const double* h, double* slope) const {
    const std::size_t n = n_coefficients();
    for (std::size_t i = 0; i < n; ++i)
        offset_[i] = h[i] - basis_.middle[i];
    double sum = constant_;
    for (std::size_t i = 0; i < n; ++i) {
        slope[i] = simd::kernels().dot(gram(i), offset_.data(), n) - linear_[i];
        sum += offset_[i] * (slope[i] - linear_[i]);
    }
    return sum;
}

void Compressed::derivatives(const double* tangents, std::size_t n_labels, const double* slope,
                             double* gradient, double* hessian) const {
    const std::size_t n = n_coefficients();
    const auto dot = simd::kernels().dot;
    for (std::size_t i = 0; i < n_labels; ++i) {
        gradient[i] = dot(tangents + i * stride(), slope, n);
        for (std::size_t k = 0; k < n; ++k)
            product_[k] = dot(gram(k), tangents + i * stride(), n);
        for (std::size_t j = 0; j <= i; ++j)
            hessian[i * n_labels + j] = hessian[j * n_labels + i] =
                dot(product_.data(), tangents + j * stride(), n);
    }
}

void Compressed::derivatives(const float* tangents, std::size_t n_labels, const double* slope, float* product,
                             double* gradient, double* hessian) const {
    const std::size_t n = n_coefficients();
    const auto& kernels = simd::kernels();
    times_gram(tangents, n_labels, product);
    for (std::size_t i = 0; i < n_labels; ++i) {
        gradient[i] = kernels.dot_mixed(tangents + i * n, slope, n);
        for (std::size_t j = 0; j <= i; ++j)
            hessian[i * n_labels + j] = hessian[j * n_labels + i] =
                static_cast<double>(kernels.dot_single(product + i * n, tangents + j * n, n));
    }
}

void Compressed::times_gram(const float* columns, std::size_t n_columns, float* product) const {
    const std::size_t n = n_coefficients();
    simd::kernels().affine_single(packed_gram_.data(), nullptr, n, n, columns, n, n_columns, product, n);
}

} // namespace maury

#include "maury/compress.hpp"

#include "simd/kernels.hpp"

#include <algorithm>
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
    : Quadratic(basis), basis_(basis), scratch_(simd::gram_scratch(basis.n_coefficients)),
      gram_left_out_(gram_.size()), single_(basis.stride), sum_(basis.stride),
      product_(basis.n_coefficients) {
    centre_ = basis.middle;
}

bool Compressed::set(const double* flux, const double* weight, const float* rows, const double* mean,
                     std::size_t n_pixels, const StopFlag& stop) {
    stop.check();
    root_.resize(n_pixels);
    residual_.resize(n_pixels);
    const auto& kernels = simd::kernels();
    constant_ = kernels.weighted_square(weight, flux, mean, n_pixels);
    // Float32 has a small range: weights enter in units of their largest.
    const double heaviest =
        kernels.weighted_difference(weight, flux, mean, n_pixels, root_.data(), residual_.data());
    kernels.gram(rows, n_pixels, n_coefficients(), root_.data(), residual_.data(), gram_.data(),
                 linear_.data(), scratch_.data());
    for (double& value : linear_)
        value *= heaviest;
    for (double& value : gram_)
        value *= heaviest;
    pack();
    return finite();
}

bool Compressed::leave_out(const std::vector<LeftOut>& left_out, const double* flux, const double* weight,
                           const float* rows, const double* mean, std::size_t n_pixels,
                           const StopFlag& stop) {
    constexpr std::size_t many = 16; // of so many pixels one
    if (many * left_out.size() > n_pixels)
        return set(flux, weight, rows, mean, n_pixels, stop);
    stop.check();
    const auto& kernels = simd::kernels();
    const std::size_t n = left_out.size();
    double heaviest = 1e-300; // never zero
    for (const LeftOut& one : left_out)
        heaviest = std::max(heaviest, one.weight);
    rows_left_out_.resize(n * stride());
    root_left_out_.resize(2 * n); // and no residual
    for (std::size_t i = 0; i < n; ++i) {
        std::copy_n(rows + left_out[i].pixel * stride(), stride(), &rows_left_out_[i * stride()]);
        root_left_out_[i] = std::sqrt(static_cast<float>(left_out[i].weight / heaviest));
    }
    std::fill_n(&root_left_out_[n], n, 0.0f);
    kernels.gram(rows_left_out_.data(), n, n_coefficients(), root_left_out_.data(), &root_left_out_[n],
                 gram_left_out_.data(), sum_.data(), scratch_.data());
    for (std::size_t i = 0; i < n_coefficients() * stride(); ++i)
        gram_[i] -= heaviest * gram_left_out_[i];
    pack();
    constant_ = kernels.weighted_square(weight, flux, mean, n_pixels);
    sum_rows(flux, mean, weight, rows, n_pixels, linear_.data());
    return finite();
}

void Compressed::slope_of(const double* model, const double* flux, const double* weight, const float* rows,
                          std::size_t n_pixels, double* slope) const {
    sum_rows(model, flux, weight, rows, n_pixels, sum_.data());
    std::copy_n(sum_.begin(), n_coefficients(), slope);
}

void Compressed::sum_rows(const double* a, const double* b, const double* weight, const float* rows,
                          std::size_t n_pixels, double* sum) const {
    root_.resize(n_pixels);
    residual_.resize(n_pixels);
    const auto& kernels = simd::kernels();
    const double heaviest =
        kernels.weighted_difference(weight, a, b, n_pixels, root_.data(), residual_.data());
    for (std::size_t p = 0; p < n_pixels; ++p)
        residual_[p] *= root_[p] * root_[p];
    kernels.weighted_rows(rows, n_pixels, stride(), residual_.data(), sum);
    for (std::size_t k = 0; k < stride(); ++k)
        sum[k] *= heaviest;
}

void Compressed::model(const double* h, const float* rows, const double* mean, std::size_t n_pixels,
                       double* model) const {
    for (std::size_t k = 0; k < n_coefficients(); ++k)
        single_[k] = static_cast<float>(h[k] - basis_.middle[k]);
    simd::kernels().expand_single(rows, stride(), n_pixels, single_.data(), mean, model);
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

} // namespace maury

#include "quadratic.hpp"

#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>

namespace maury {

Quadratic::Quadratic(const Basis& basis)
    : n_(basis.n_coefficients), stride_(basis.stride), centre_(n_), linear_(stride_), gram_(stride_ * stride_),
      packed_gram_(stride_ * n_), offset_(stride_) {}

void Quadratic::set_centre(const double* h0, double constant) {
    std::copy_n(h0, n_, centre_.begin());
    constant_ = constant;
}

void Quadratic::pack() {
    for (std::size_t i = 0; i < stride_; i += simd::panel) // symmetric: a row is a column
        for (std::size_t k = 0; k < n_; ++k)
            for (std::size_t lane = 0; lane < simd::panel; ++lane)
                packed_gram_[i * n_ + k * simd::panel + lane] =
                    static_cast<float>(gram_[k * stride_ + i + lane]);
}

// No product is larger than the squares on the diagonal.
bool Quadratic::finite() const {
    bool finite = std::isfinite(constant_);
    for (std::size_t k = 0; k < n_; ++k)
        finite = finite && std::isfinite(linear_[k]) && std::isfinite(static_cast<float>(gram(k)[k]));
    return finite;
}

double Quadratic::chi2(const double* h, double* slope) const {
    for (std::size_t i = 0; i < n_; ++i)
        offset_[i] = h[i] - centre_[i];
    const auto dot = simd::kernels().dot;
    double sum = constant_;
    for (std::size_t i = 0; i < n_; ++i) {
        slope[i] = dot(gram(i), offset_.data(), n_) - linear_[i];
        sum += offset_[i] * (slope[i] - linear_[i]);
    }
    return sum;
}

void Quadratic::derivatives(const float* tangents, std::size_t n_labels, const double* slope, float* product,
                            double* gradient, double* hessian) const {
    const auto& kernels = simd::kernels();
    times_gram(tangents, n_labels, product);
    for (std::size_t i = 0; i < n_labels; ++i) {
        gradient[i] = kernels.dot_mixed(tangents + i * n_, slope, n_);
        for (std::size_t j = 0; j <= i; ++j)
            hessian[i * n_labels + j] = hessian[j * n_labels + i] =
                static_cast<double>(kernels.dot_single(product + i * n_, tangents + j * n_, n_));
    }
}

void Quadratic::times_gram(const float* columns, std::size_t n_columns, float* product) const {
    simd::kernels().affine_single(packed_gram_.data(), nullptr, n_, n_, columns, n_, n_columns, product, n_);
}

} // namespace maury

// chi2 of one spectrum as a quadratic form of the emulator's coefficients: what the search looks at.
#pragma once

#include "maury/aligned.hpp"
#include "maury/emulator.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// About coefficients h0, where the residual is r and the basis as the spectrum shows it A B:
//   chi2(h) ~ s - 2 c.d + d'G d,  d = h - h0,  s = r'Wr,  c = B'A'Wr,  G ~ B'A'WAB.
// s and c are exact, so near h0 chi2 is; G is a sum over stretches of the grid.
class Quadratic {
  public:
    explicit Quadratic(const Basis& basis);

    std::size_t n_coefficients() const { return n_; }
    std::size_t stride() const { return stride_; }

    double* gram_to_set() { return gram_.data(); } // (K, stride), and then
    void pack();
    double* linear_to_set() { return linear_.data(); } // c (stride,)
    void set_centre(const double* h0, double constant);
    bool finite() const; // false: the spectrum is too far off for float32

    double constant() const { return constant_; }
    const double* linear() const { return linear_.data(); }
    const double* gram(std::size_t i) const { return &gram_[i * stride_]; } // row i of G

    // h (K,) -> chi2, and slope (K,) = G d - c
    double chi2(const double* h, double* slope) const;

    // With tangents T (L, K) = d h / d x: gradient = T'slope, hessian = T'G T, the whole matrix; in float32.
    // product (L, K) is written.
    void derivatives(const float* tangents, std::size_t n_labels, const double* slope, float* product,
                     double* gradient, double* hessian) const;

    // product (n, K) = G columns, columns (n, K), in float32
    void times_gram(const float* columns, std::size_t n, float* product) const;

  protected:
    std::size_t n_, stride_;
    double constant_ = 0.0;
    std::vector<double> centre_;
    Aligned<double> linear_, gram_;
    Aligned<float> packed_gram_; // G once more, as a layer
    mutable Aligned<double> offset_;
};

} // namespace maury

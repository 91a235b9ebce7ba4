// chi2 of one spectrum without its pixels: exact for an emulator whose last layer is linear.
#pragma once

#include "maury/emulator.hpp"
#include "maury/parallel.hpp"
#include "maury/solve.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// With flux(x) = mean + B d(x), d(x) = h(x) - h(x_0) and mean the flux at x_0, the middle of the label range:
//   chi2(x) = s - 2 c.d + d'G d,   r = flux - mean,  s = r'Wr,  c = B'Wr,  G = B'WB.
// The residual is taken about a spectrum, not about zero, so that little cancels.
// K coefficients, P pixels; the basis B is (P, K).

// True where K is small against P: else the pixels cost less.
bool compresses(const Emulator& emulator);

// What all spectra share.
class Basis {
  public:
    explicit Basis(const Emulator& emulator);

    const std::vector<double>& mean() const { return mean_; }     // (P,)
    const std::vector<double>& middle() const { return middle_; } // (K,) h(x_0)
    const std::vector<double>& tiles() const { return tiles_; }   // B, packed for simd::gram

  private:
    std::vector<double> mean_, middle_, tiles_;
};

// One spectrum in compressed form. Both arguments must outlive it; chi2 and derivatives touch only the trunk.
class CompressedProblem final : public Problem {
  public:
    CompressedProblem(const Emulator& emulator, const Basis& basis);

    // flux, weight (P,), all finite. stop is asked now and then until the next call.
    void set(const double* flux, const double* weight, const StopFlag& stop);

    double chi2(const double* x) override;
    void derivatives(const double* x, double* gradient, double* hessian) override;

    // chi2 of coefficients h (K,) that are known already.
    double chi2_of(const double* coefficients);

    double constant() const { return constant_; }                                      // s
    double linear(std::size_t i) const { return linear_[i]; }                          // c
    double gram(std::size_t i, std::size_t j) const { return gram_[i * stride_ + j]; } // G

  private:
    const Emulator& emulator_;
    const Basis& basis_;
    Emulator::Workspace work_;
    const StopFlag* stop_ = nullptr;
    std::size_t n_, stride_; // K, and K with the padding of the kernel
    double constant_ = 0.0;
    std::vector<double> linear_, gram_; // (K,), (K, K), both with padding
    // residual (P,), d (K,), G d - c (K,), d h / d x (L, K), G d h / d x_l (K,)
    std::vector<double> residual_, offset_, slope_, tangents_, column_, scratch_;
};

} // namespace maury

// chi2 of one spectrum without its pixels: exact for an emulator whose last layer is linear.
#pragma once

#include "maury/aligned.hpp"
#include "maury/emulator.hpp"
#include "maury/parallel.hpp"
#include "../../src/quadratic.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// True where the search had better go without pixels: K is small against P, or there is a cut.
bool compresses(const Emulator& emulator);

// A pixel that takes no part any more, and the weight that it had.
struct LeftOut {
    std::size_t pixel;
    double weight;
};

// With flux(x) = mean + B d(x), d(x) = h(x) - middle (the basis of the emulator):
//   chi2(x) = s - 2 c.d + d'G d,   r = flux - mean,  s = r'Wr,  c = B'Wr,  G = B'WB.
// The residual is taken about a spectrum, not about zero, so that little cancels. s is summed in double; the
// products of c and G are float32, their sums double: labels are off by some 1e-5 of their formal errors.
class Compressed : public Quadratic {
  public:
    explicit Compressed(const Basis& basis); // must outlive this

    // flux, weight (P,), all finite; weight >= 0. False if the sums are not finite: such a spectrum is too
    // far off for float32. stop is asked first.
    bool set(const double* flux, const double* weight, const StopFlag& stop) {
        return set(flux, weight, basis_.rows, basis_.mean.data(), basis_.mean.size(), stop);
    }

    // The same on other pixels: rows (n_pixels, stride()), mean (n_pixels,), the basis as they see it.
    bool set(const double* flux, const double* weight, const float* rows, const double* mean,
             std::size_t n_pixels, const StopFlag& stop);

    // The spectrum of the last set without some of its pixels: G less their part; s and c are summed again.
    // weight (n_pixels,) no longer has them; left_out says which they are, and what they weighed. The rest as
    // it was. Where they are many, the same as set.
    bool leave_out(const std::vector<LeftOut>& left_out, const double* flux, const double* weight,
                   const float* rows, const double* mean, std::size_t n_pixels, const StopFlag& stop);

    // gradient (K,) of chi2 / 2 by the coefficients, from the residual itself: rows'W(model - flux). It is as
    // exact as the model is, however much c and G cancel.
    void slope_of(const double* model, const double* flux, const double* weight, const float* rows,
                  std::size_t n_pixels, double* slope) const;

    // model (n_pixels,) = mean + rows d at h (K,), in float32: to about 1e-7 of the largest term
    void model(const double* h, const float* rows, const double* mean, std::size_t n_pixels,
               double* model) const;

    using Quadratic::derivatives;
    // With tangents T (L, stride()) = d h / d x: gradient = T'slope and hessian = T'G T, the whole matrix.
    void derivatives(const double* tangents, std::size_t n_labels, const double* slope, double* gradient,
                     double* hessian) const;

  private:
    // sum_p w_p (a_p - b_p) rows_p; root_ and residual_ are written
    void sum_rows(const double* a, const double* b, const double* weight, const float* rows,
                  std::size_t n_pixels, double* sum) const;

    const Basis& basis_;
    Aligned<float> scratch_, rows_left_out_, root_left_out_;
    Aligned<double> gram_left_out_;
    mutable Aligned<float> root_, residual_, single_;
    mutable Aligned<double> sum_;                  // (K,) with padding
    mutable std::vector<double> product_; // G t (K,)
};

} // namespace maury

// The full chi2, in double through the pixels, with its derivatives through the coefficients.
#pragma once

#include "full_problem.hpp"
#include "maury/compress.hpp"
#include "maury/emulator.hpp"
#include "spectrum.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// Where the last layer is linear and whole, and nothing but labels varies, with J = B T and the residual r of
// the full model:
//   gradient = T'(B'W r), hessian = T'G T
// which differs from that of the full problem by the rounding of B and G to float32, and costs no Jacobian.
class MixedProblem final : public Problem {
  public:
    // full: of the same spectrum and trunk. All must outlive this.
    MixedProblem(FullProblem& full, const Compressed& compressed, TrunkPoint& point, const Spectrum& spectrum,
                 std::size_t n_labels)
        : full_(full), compressed_(compressed), point_(point), spectrum_(spectrum), n_labels_(n_labels),
          slope_(compressed.n_coefficients()) {}

    void set_rows(const float* rows) { rows_ = rows; } // those that compressed has been set with

    double chi2(const double* x) override { return full_.chi2(x); }
    void derivatives(const double* x, double* gradient, double* hessian) override {
        compressed_.slope_of(full_.model(), spectrum_.flux(), spectrum_.weight(), rows_, spectrum_.size(),
                             slope_.data());
        point_.coefficients(x); // the model may be one that was kept
        compressed_.derivatives(point_.tangents(), n_labels_, slope_.data(), gradient, hessian);
    }

  private:
    FullProblem& full_;
    const Compressed& compressed_;
    TrunkPoint& point_;
    const Spectrum& spectrum_;
    std::size_t n_labels_;
    const float* rows_ = nullptr;
    std::vector<double> slope_;
};

} // namespace maury

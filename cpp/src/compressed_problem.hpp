// The compressed chi2 of labels in double; its derivatives from tangents in float32.
#pragma once

#include "maury/compress.hpp"
#include "maury/solve.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// Rounding turns a tangent by some 1e-6: as good as G is.
class CompressedProblem final : public Problem {
  public:
    // point: of the trunk that the search sees. Both must outlive this.
    CompressedProblem(const Compressed& spectrum, TrunkPoint& point, std::size_t n_labels)
        : spectrum_(spectrum), point_(point), n_labels_(n_labels), slope_(spectrum.n_coefficients()),
          product_(n_labels * spectrum.n_coefficients()) {}

    double chi2(const double* x) override { return spectrum_.chi2(point_.coefficients(x), slope_.data()); }
    void derivatives(const double*, double* gradient, double* hessian) override {
        spectrum_.derivatives(point_.tangents_single(), n_labels_, slope_.data(), product_.data(), gradient,
                              hessian);
    }

  private:
    const Compressed& spectrum_;
    TrunkPoint& point_;
    std::size_t n_labels_;
    std::vector<double> slope_;
    std::vector<float> product_;
};

} // namespace maury

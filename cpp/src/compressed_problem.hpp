// The compressed chi2 of labels in double, and its derivatives.
#pragma once

#include "maury/compress.hpp"
#include "maury/solve.hpp"

#include <cstddef>
#include <vector>

namespace maury {

class CompressedProblem final : public Problem {
  public:
    // point: of the trunk that the search sees. Both must outlive this.
    CompressedProblem(const Compressed& spectrum, TrunkPoint& point, std::size_t n_labels)
        : spectrum_(spectrum), point_(point), n_labels_(n_labels), slope_(spectrum.n_coefficients()),
          product_(n_labels * spectrum.n_coefficients()) {}

    // Tangents in float32, in half the time: enough for all but the end.
    void use_single_tangents(bool single) { single_ = single; }

    double chi2(const double* x) override { return spectrum_.chi2(point_.coefficients(x), slope_.data()); }
    void derivatives(const double*, double* gradient, double* hessian) override {
        if (single_)
            spectrum_.derivatives(point_.tangents_single(), n_labels_, slope_.data(), product_.data(),
                                  gradient, hessian);
        else
            spectrum_.derivatives(point_.tangents(), n_labels_, slope_.data(), gradient, hessian);
    }
    double chi2_and_derivatives(const double* x, double* gradient, double* hessian) override {
        const double value =
            single_ ? chi2(x) : spectrum_.chi2(point_.coefficients_and_tangents(x), slope_.data());
        derivatives(x, gradient, hessian);
        return value;
    }

  private:
    const Compressed& spectrum_;
    TrunkPoint& point_;
    std::size_t n_labels_;
    bool single_ = false;
    std::vector<double> slope_;
    std::vector<float> product_;
};

} // namespace maury

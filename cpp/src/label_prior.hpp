// A Gaussian prior on the labels of one spectrum: a term of chi2 besides that of the data.
#pragma once

#include "maury/emulator.hpp"
#include "maury/solve.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// (y - mean)' precision (y - mean), y the labels in physical units. Derivatives are by the scaled labels x
// (L,), halved as those of a Problem; the hessian leaves out the curvature of y(x), as Gauss-Newton does.
class LabelPrior {
  public:
    explicit LabelPrior(const Emulator& emulator);

    // mean (L,): NaN = no prior on that label, whose rows and columns of precision (L, L), the inverse of the
    // covariance, are then 0.
    void set(const double* mean, const double* precision);
    void clear() { given_ = false; }
    bool given() const { return given_; }

    double chi2(const double* x);
    void add_gradient(const double* x, double* gradient);
    void add_hessian(const double* x, double* hessian, std::size_t stride); // (L, L) of (.., stride)

    // For a candidate, which stands for all labels near it: the covariance is that of the prior and of what
    // is near, so that the tightest prior leaves something to the data.
    double rough_chi2(const double* x);

  private:
    void set_place(const double* x);
    void set_rough();

    const Emulator& emulator_;
    std::size_t n_;
    bool given_ = false;
    std::vector<double> mean_, precision_, labels_, away_, dx_dlabel_;
    std::vector<double> rough_mean_, rough_precision_, factor_; // of scaled labels
};

// Another problem, and the prior of its first parameters.
class WithPrior final : public Problem {
  public:
    WithPrior(Problem& data, LabelPrior& prior, std::size_t n) : data_(data), prior_(prior), n_(n) {}

    void curvature(double* curvature) override { data_.curvature(curvature); }
    double chi2(const double* x) override { return data_.chi2(x) + prior_.chi2(x); }
    void derivatives(const double* x, double* gradient, double* hessian) override {
        data_.derivatives(x, gradient, hessian);
        prior_.add_gradient(x, gradient);
        prior_.add_hessian(x, hessian, n_);
    }

  private:
    Problem& data_;
    LabelPrior& prior_;
    std::size_t n_; // parameters
};

} // namespace maury

// The full chi2 of one spectrum on the emulator's own pixels, and its derivatives, in double.
#pragma once

#include "full_problem.hpp"
#include "maury/emulator.hpp"
#include "spectrum.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// chi2(x) = sum_p w_p (flux_p - model_p(x))^2, x scaled labels.
class PixelProblem final : public FullProblem {
  public:
    // point: of emulator.trunk(). All must outlive this. stop is asked now and then.
    PixelProblem(const Emulator& emulator, TrunkPoint& point, const Spectrum& spectrum);

    void begin(const StopFlag& stop) override { stop_ = &stop; }

    double chi2(const double* x) override;
    void derivatives(const double* x, double* gradient, double* hessian) override;
    double chi2_and_derivatives(const double* x, double* gradient, double* hessian) override;

    const double* model() const override { return model_.data(); }

  private:
    void start_sums(double* gradient, double* hessian) const;
    void add_block(const double* jacobian, std::size_t first, std::size_t n, double* gradient,
                   double* hessian);

    const Emulator& emulator_;
    TrunkPoint& point_;
    const Spectrum& spectrum_;
    const StopFlag* stop_ = nullptr;
    std::vector<double> model_, x_; // the model, and whose it is
    bool model_known_ = false;
    std::vector<double> residual_, block_; // of a block of pixels; (1 + L, pixels)
};

} // namespace maury

// The full chi2 of one spectrum and its derivatives, pixel by pixel, in double.
#pragma once

#include "maury/emulator.hpp"
#include "maury/parallel.hpp"
#include "maury/solve.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// chi2(x) = sum_p w_p (flux_p - model_p(x))^2, w_p = 1 / (1 / ivar_p + scatter_p^2), x scaled labels.
class PixelProblem final : public Problem {
  public:
    // point: of emulator.trunk(). Both must outlive this.
    PixelProblem(const Emulator& emulator, TrunkPoint& point);

    // Returns the number of usable pixels. scatter may be null. stop is asked now and then until the next
    // set.
    template <typename Number>
    std::size_t set(const Number* flux, const Number* ivar, const double* scatter, const StopFlag& stop);

    double chi2(const double* x) override;
    void derivatives(const double* x, double* gradient, double* hessian) override;
    double chi2_and_derivatives(const double* x, double* gradient, double* hessian) override;

    // With w = ivar, of the model of the last chi2.
    double chi2_noise() const;

    const double* flux() const { return flux_.data(); }
    const double* weight() const { return weight_.data(); }

  private:
    void start_sums(double* gradient, double* hessian) const;
    void mirror(double* hessian) const;
    void add_block(const double* jacobian, std::size_t first, std::size_t n, double* gradient,
                   double* hessian);

    const Emulator& emulator_;
    TrunkPoint& point_;
    const StopFlag* stop_ = nullptr;
    std::vector<double> flux_, ivar_, weight_, model_; // pixels without weight hold 0
    std::vector<double> x_;                            // whose model it is
    bool model_known_ = false;
    std::vector<double> residual_, block_; // of a block of pixels; (1 + L, pixels)
};

extern template std::size_t PixelProblem::set<float>(const float*, const float*, const double*,
                                                     const StopFlag&);
extern template std::size_t PixelProblem::set<double>(const double*, const double*, const double*,
                                                      const StopFlag&);

} // namespace maury

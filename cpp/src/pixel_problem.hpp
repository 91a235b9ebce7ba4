// chi2 of one spectrum, pixel by pixel.
#pragma once

#include "maury/emulator.hpp"
#include "maury/parallel.hpp"
#include "maury/solve.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// chi2(x) = sum_p w_p (flux_p - model_p(x))^2 with x the scaled labels.
class PixelProblem final : public Problem {
  public:
    explicit PixelProblem(const Emulator& emulator);

    // Takes in one spectrum, (P,) each, scatter may be null. Returns the number of usable pixels.
    // stop is asked at every chi2 until the next call.
    std::size_t set(const double* flux, const double* ivar, const double* scatter, const StopFlag& stop);

    double chi2(const double* x) override;
    void derivatives(const double* x, double* gradient, double* hessian) override;

    // (P,) of the spectrum; both 0 at a pixel without weight.
    const double* flux() const { return flux_.data(); }
    const double* weight() const { return weight_.data(); }

    // chi2 of a model flux (P,) that is known already.
    double chi2_of(const double* model) const;
    // Of the model of the last chi2 call, weighted by ivar alone.
    double chi2_noise() const;

  private:
    const Emulator& emulator_;
    Emulator::Workspace work_;
    const StopFlag* stop_ = nullptr;
    // (P,) each; pixels without weight are zero, so that what they held cannot matter
    std::vector<double> flux_, ivar_, weight_, model_, residual_, weighted_;
    std::vector<double> jacobian_; // (L, P)
};

} // namespace maury

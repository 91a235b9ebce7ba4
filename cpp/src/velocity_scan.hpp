// The velocity of a spectrum of which nothing is known: cross-correlation with a few spectra of the emulator.
#pragma once

#include "maury/measure.hpp"
#include "maury/parallel.hpp"

#include <cstddef>
#include <vector>

namespace maury {

class VelocityScan {
  public:
    explicit VelocityScan(const Plan& plan) : plan_(plan) {}

    // Where sum_p w_p (flux_p - template(u_p - shift))^2 is least over the templates and |shift| <= most, in
    // pixels of the grid, to a few tenths; NaN if a spectrum has no pixel that all shifts leave on the grid.
    // place, flux, weight (n,): centres of pixels, normalised flux, weights of it, without the scatter; flux
    // counts as at least 0 and at most 1.5, lest a cosmic ray decide.
    double operator()(const double* place, const double* flux, const double* weight, std::size_t n,
                      bool use_scatter, double most, const StopFlag& stop);

  private:
    bool gather(const double* place, const double* flux, const double* weight, std::size_t n,
                bool use_scatter, std::ptrdiff_t most);

    const Plan& plan_;
    std::vector<float> half_weights_, products_, values_; // on the grid: sums of w / 2, and of w flux
};

} // namespace maury

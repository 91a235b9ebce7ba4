// By how much noise, resolution and gaps moved the running median that normalised a spectrum.
#pragma once

#include "maury/aligned.hpp"
#include "maury/emulator.hpp"
#include "maury/fit.hpp"
#include "maury/running_median.hpp"
#include "view.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace maury {

// ratio = E[med(c f_seen + noise)] / med(c f_native), with c the continuum of the spectrum, bridged where it
// is not good; f as its instrument shows it, and at the resolution of the emulator. 1 where it is not known.
// In float32, to about 1e-6. One a thread.
class MedianRatio {
  public:
    // All must outlive this.
    MedianRatio(const Emulator& emulator, const Observed& observed, const Medians& medians);

    // (P,) of spectrum i, whose pixels view knows, with ivar (P,) and the emulator at activations (stride,)
    // of its trunk.
    const double* of(std::size_t i, const View& view, const double* ivar, const double* activations);

  private:
    void see(std::size_t i, const View& view, const double* activations);
    void bridge(std::size_t i);
    void median(const float* flux, const bool* used, float* out);

    const Emulator& emulator_;
    const Observed& observed_;
    const Medians& medians_;
    Instrument native_;
    bool native_placed_ = false;
    std::vector<double> shift_, native_shift_; // (arms,), and the one that native_ has
    Aligned<float> activations_;
    std::vector<double> coefficients_; // (P of the emulator + pad,) of the spline
    std::vector<double> seen_flux_, native_flux_, continuum_, expected_, ratio_; // (P,)
    std::vector<float> star_, noise_, noisy_, median_;                           // (P,)
    std::vector<std::uint8_t> bad_;                                              // (P,)
    MedianWorkspace work_;
};

} // namespace maury

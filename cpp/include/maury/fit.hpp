// Labels of many spectra: a bounded chi2 fit of the emulator to each (Imig et al. 2021, sec. 3.2).
#pragma once

#include "maury/emulator.hpp"
#include "maury/instrument.hpp"
#include "maury/solve.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace maury {

class Candidates;

// What all spectra that are fitted with one emulator inside the same bounds share. Make one, fit many.
// N spectra, P pixels, L labels, S starts, M candidates; all arrays row-major, labels in physical units.
class FitPlan {
  public:
    // lower, upper (L,): equal bounds hold a label fixed.
    // candidates (M, L): where a spectrum without a start of its own may start; those outside the bounds are
    // left out, and with none left a fit starts at the centre of the bounds. They take 4 M K (L + 1) bytes.
    // threads and wake: see parallel_for. The emulator must outlive the plan.
    // Throws std::invalid_argument for bounds that are not finite, empty or outside a transform's domain.
    FitPlan(const Emulator& emulator, const double* lower, const double* upper, const double* candidates,
            std::size_t n_candidates, int threads, const std::function<void(std::size_t)>& wake);
    ~FitPlan();

    const Emulator& emulator() const { return emulator_; }
    const std::vector<double>& lower() const { return lower_; } // (L,) physical
    const std::vector<double>& upper() const { return upper_; }
    const std::vector<double>& lower_scaled() const { return lower_scaled_; }
    const std::vector<double>& upper_scaled() const { return upper_scaled_; }
    const Candidates* candidates() const { return candidates_.get(); } // null: none

  private:
    const Emulator& emulator_;
    std::vector<double> lower_, upper_, lower_scaled_, upper_scaled_;
    std::unique_ptr<const Candidates> candidates_;
};

// What a fit may vary besides the labels.
struct Freedom {
    bool shift = false;     // the velocity, in pixels of the emulator
    bool arms = false;      // that of arms 1, 2, ... less that of arm 0
    bool extra = false;     // one broadening more for all pixels, a variance in squared pixels
    std::size_t n_arms = 1; // A, at most most_arms
    static constexpr std::size_t most_arms = 64;
    double most_shift = 20.0, most_arm_shift = 3.0, most_extra = 36.0; // bounds

    std::size_t count() const { return (shift ? 1 : 0) + (arms ? n_arms - 1 : 0) + (extra ? 1 : 0); }
};

// N spectra on pixels of their own, each seen through its instrument: see instrument.hpp for the arrays,
// which are (N, P), or (P,) for all spectra where one_grid (low, high, arm) or one_variance says so.
struct Observed {
    std::size_t n_pixels = 0; // P
    bool one_grid = true, one_variance = true;
    ObservedPixels pixels;
    const double* shift = nullptr; // (N,) to start from, or fixed
    Freedom freedom;
};

// flux (N, P) at labels (N, L), as the instruments show it. nuisances (N, count() of the freedom)
void see(const Emulator& emulator, const Observed& observed, std::size_t n_spectra, const double* labels,
         const double* nuisances, double* flux);

// What is known of the running medians that normalised N spectra on the sampling of the emulator. Noise, the
// instrument and gaps move a median; once a fit has told the star, flux is multiplied by
//   E[med(c f_seen + noise)] / med(c f_native)
// and fitted again: see median_ratio.hpp.
struct Medians {
    std::size_t half = 0;              // pixels on each side
    const double* continuum = nullptr; // (N, P) c, the running median
    const bool* good = nullptr;        // (N, P) pixels that took part in it
    const bool* inside = nullptr;      // (N, P) pixels that lie on the emulator
    std::size_t n_draws = 0;           // each is taken with both signs
    const float* draws = nullptr;      // (n_draws, P) normal deviates
};

// Number is float or double. Pixel p of a spectrum has the weight w_p = 1 / (1 / ivar_p + scatter_p^2), or
// none if ivar_p <= 0 or any of flux_p, ivar_p, scatter_p is not finite, or if it lies beyond the emulator.
template <typename Number> struct FitInput {
    std::size_t n_spectra = 0;
    const Number* flux = nullptr;    // (N, P)
    const Number* ivar = nullptr;    // (N, P)
    const double* scatter = nullptr; // (P of the emulator,) rms of what it cannot explain; null = 0

    const Observed* observed = nullptr; // null: on the emulator's own pixels, at its resolution
    // Pixels off the fit by more than this many sigma are left out, and the fit is repeated until none is:
    // see spectrum.hpp. 0 = none are.
    double clip = 0.0;

    // A spectrum is fitted from each of its own starts, moved inside the bounds. One that holds a NaN is left
    // out.
    std::size_t n_given = 0;        // S
    const double* starts = nullptr; // (N, S, L); null = none

    // A spectrum without a start is fitted from the n_starts most promising candidates that lie more than a
    // twentieth of the label range from each other; from some more where noise does not tell them apart.
    std::size_t n_starts = 6;

    // Not null: a second fit, from where the first ended; only where nothing but labels varies. Starts are
    // then those of the first, evaluations those of both, all else of the second; its covariance has the
    // rounding of float32 unless the last layer is cut.
    const Medians* medians = nullptr;

    // False searches in pixel space: slower, the same minimum. See compress.hpp.
    bool compress = true;
};

// What does not exist is NaN: all but n_pixels, status and n_evaluations of a spectrum whose status is
// NON_FINITE or TOO_FEW_PIXELS, and the covariance of one whose status is SINGULAR.
struct FitOutput {
    double* labels;     // (N, L)
    double* covariance; // (N, L, L) of the inverse Gauss-Newton matrix, bounds ignored; 0 for a fixed label
    double* chi2;       // (N,)
    double* chi2_noise; // (N,) of the same solution and pixels with w = ivar
    std::int32_t* n_pixels;      // (N,) usable ones
    std::int32_t* status;        // (N,) enum Status
    std::int32_t* n_evaluations; // (N,) of chi2, all starts together
    bool* at_bound;              // (N, L)
    std::int32_t* n_starts;      // (N,) starts
    std::int32_t* n_agree;       // (N,) of them that ended within a formal error of the solution
    // These may be null.
    std::int32_t* n_clipped = nullptr; // (N,) pixels left out by clip
    // (N, count() of the freedom) in the order of Freedom, and their formal errors
    double *nuisances = nullptr, *nuisance_errors = nullptr;
    // (N, P) with medians, and not null then: flux and ivar of the second fit
    double *flux = nullptr, *ivar = nullptr;
    // (N, P) of the solution, as the spectrum shows it; NaN beyond the emulator
    double* model = nullptr;
};

// Down to a few ten-thousandths of a formal error.
inline SolveOptions fit_options() {
    SolveOptions options;
    options.gradient_tol = 3e-4;
    options.step_tol = 1e-6;
    return options;
}

// The best of all starts wins, and is followed to its end in pixel space with the whole network, in double:
// labels, chi2 and covariance are those of the full problem. Each result depends on its own spectrum alone:
// it is the same, bit for bit, for any number of threads and any order. threads and wake: see parallel_for.
template <typename Number>
void fit_batch(const FitPlan& plan, const FitInput<Number>& input, const FitOutput& output,
               const SolveOptions& options, int threads, const std::function<void(std::size_t)>& wake);

extern template void fit_batch<float>(const FitPlan&, const FitInput<float>&, const FitOutput&,
                                      const SolveOptions&, int, const std::function<void(std::size_t)>&);
extern template void fit_batch<double>(const FitPlan&, const FitInput<double>&, const FitOutput&,
                                       const SolveOptions&, int, const std::function<void(std::size_t)>&);

} // namespace maury

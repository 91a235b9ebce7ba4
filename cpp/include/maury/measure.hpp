// Labels, velocities and continua of many spectra: a bounded chi2 fit of the emulator to each (Imig et al.
// 2021, sec. 3.2), each on its own pixels. The search is approximate, the final fit exact.
#pragma once

#include "maury/emulator.hpp"
#include "maury/options.hpp"
#include "maury/wavelength_grid.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace maury {

class Candidates;
class GramStretches;
struct GridModes;

// N spectra of P pixels. Arrays are (N, P), or (P,) for all spectra where one_* says so; null = not known.
struct Spectra {
    std::size_t n = 0, n_pixels = 0;
    bool one_wavelength = false, one_sigma = false, one_arm = false;
    const double* wavelength = nullptr; // as observed, vacuum Angstrom; NaN pads
    const double *flux = nullptr, *ivar = nullptr;
    const bool* mask = nullptr;        // true = bad
    const double* sigma = nullptr;     // line-spread function [Angstrom], NaN = that of the emulator
    const std::int32_t* arm = nullptr; // 0 to most_arms - 1: arm of the spectrograph
    // Instead of sigma: pixel p sees sum_d resolution[p, d] f at its neighbour p + d - D / 2. (N, P, D); a
    // spectrum whose rows hold no finite number has none.
    std::size_t n_neighbours = 0;
    const double* resolution = nullptr;
    const double* rv = nullptr;     // (N,) c z [km/s], known or to start from; NaN = 0
    const bool* fit_rv = nullptr;   // (N,) null = no velocity is fitted
    const bool* fit_arms = nullptr; // (N,) that of each further arm less that of the first in use
    // A spectrum with starts (N, S, L) that are finite is fitted from those alone, else from candidates and
    // from its guess (N, L), where that is finite.
    std::size_t n_given = 0;
    const double *starts = nullptr, *guess = nullptr;
    // A Gaussian prior on the labels of each spectrum, in physical units: mean (N, L), NaN = none on that
    // label; and the inverse of the covariance of the labels that have one, (N, L, L), 0 elsewhere. Null:
    // none.
    const double *prior_mean = nullptr, *prior_precision = nullptr;
    static constexpr std::int32_t most_arms = 64;
};

// Values that do not exist are NaN or 0. Null: not requested. A is the number of arms.
struct Results {
    double* labels;                       // (N, L)
    double* covariance;                   // (N, L, L) with the prior; bounds ignored; 0 for a fixed label
    double* noise_covariance;             // (N, L, L) the part that is not of residual modes
    double *chi2, *chi2_noise;            // (N,) of the data, that was minimised; with ivar alone
    std::int32_t *n_pixels, *n_clipped;   // (N,) used; rejected as outliers
    std::int32_t *status, *n_evaluations; // (N,) enum Status; of the exact chi2
    std::int32_t *n_starts, *n_agree;     // (N,) starts followed; those that ended at the solution
    bool *at_bound, *guessed,
        *sharper;        // (N, L) not a fixed one; (N,) guess adopted; higher resolution than emulator
    double *rv, *rv_err; // (N,) [km/s]; the error where it was fitted
    std::size_t n_arms;  // A
    double* arm_rv;      // (N, A - 1) NaN where it was not fitted
    double *broadening, *broadening_err; // (N,) sigma [km/s], negative: narrower
    double* chi2_prior = nullptr;        // (N,) of the prior, which chi2 does not include
    double* model = nullptr;             // (N, P) emulator on the pixels of the spectrum times its continuum
    double* continuum = nullptr;         // (N, P)
    double* weight = nullptr;            // (N, P) of the fit; 0 = excluded, or an outlier
    double *flux = nullptr,
           *ivar = nullptr; // (N, P) that were fitted: blurred where sharper than the emulator
};

// Quantities shared by all spectra measured with one emulator inside the same bounds. Make one, use it from
// any number of threads.
class Plan {
  public:
    // lower, upper (L,): equal bounds hold a label fixed. candidates (M, L): where a fit may start; those
    // outside the bounds are left out, and with none left a fit starts at the centre of the bounds.
    // templates (T, L): labels of the spectra that are correlated with the data to find a velocity.
    // modes (P, M): residual modes in normalised flux; the scatter of the grid is what they leave.
    // threads and wake: see parallel_for. The emulator must outlive the plan. Throws std::invalid_argument.
    Plan(const Emulator& emulator, WavelengthGrid grid, std::vector<double> lower, std::vector<double> upper,
         const std::vector<double>& candidates, const std::vector<double>& templates, int threads,
         const std::function<void(std::size_t)>& wake, const std::vector<double>& modes = {});
    ~Plan();

    const Emulator& emulator() const { return emulator_; }
    const WavelengthGrid& grid() const { return grid_; }
    const std::vector<double>& lower() const { return lower_; } // (L,) physical
    const std::vector<double>& upper() const { return upper_; }
    const std::vector<double>& lower_scaled() const { return lower_scaled_; }
    const std::vector<double>& upper_scaled() const { return upper_scaled_; }
    const Candidates* candidates() const { return candidates_.get(); } // null: none
    const GramStretches& gram_stretches() const { return *stretches_; }
    const GridModes* modes() const { return modes_.get(); } // null: none
    std::size_t n_templates() const { return templates_.size() / grid_.size(); }
    const float* templates() const { return templates_.data(); } // (T, P) flux

  private:
    const Emulator& emulator_;
    WavelengthGrid grid_;
    std::vector<double> lower_, upper_, lower_scaled_, upper_scaled_;
    std::unique_ptr<const Candidates> candidates_;
    std::unique_ptr<const GramStretches> stretches_;
    std::unique_ptr<const GridModes> modes_;
    std::vector<float> templates_;
};

// Each result depends on its own spectrum alone: it is the same, bit for bit, for any number of threads, any
// order and neighbours. threads and wake: see parallel_for. Throws std::invalid_argument for arguments that
// no spectrum can be measured with; never for a bad spectrum, which has a status.
void measure(const Plan& plan, const Options& options, const Spectra& spectra, const Results& results,
             int threads, const std::function<void(std::size_t)>& wake);

// Of results only labels, rv, arm_rv and broadening are read (NaN = 0; the last two may be null), and the
// arrays (N, P) written: those of a fit that ended there, without outliers.
void show(const Plan& plan, const Options& options, const Spectra& spectra, const Results& results,
          int threads, const std::function<void(std::size_t)>& wake);

// M points of each spectrum, (N, M, Q): the labels, then, each where `spectra` and `options` fit it, the
// velocity, those of A - 1 further arms less that of the first, and the broadening (sigma) [km/s].
struct Points {
    std::size_t n, n_arms;
    const double* values;
};

// chi2 (N, M) at points, with the weights at the velocity of the spectrum, no pixel an outlier; NaN where a
// point is not finite or a spectrum has too few pixels. Throws as measure does.
void chi2(const Plan& plan, const Options& options, const Spectra& spectra, const Points& points, double* out,
          int threads, const std::function<void(std::size_t)>& wake);

} // namespace maury

// Labels of many spectra: a bounded chi2 fit of the emulator to each (Imig et al. 2021, sec. 3.2).
#pragma once

#include "maury/emulator.hpp"
#include "maury/solve.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>

namespace maury {

// N spectra, P pixels, L labels, S starts, M candidates; all arrays row-major, labels in physical units.
// Pixel p of a spectrum has the weight w_p = 1 / (1 / ivar_p + scatter_p^2), or none if ivar_p <= 0 or any of
// flux_p, ivar_p, scatter_p is not finite.
struct FitInput {
    std::size_t n_spectra = 0;
    const double* flux = nullptr;    // (N, P)
    const double* ivar = nullptr;    // (N, P)
    const double* scatter = nullptr; // (P,) rms of what the emulator cannot explain; null = 0
    const double* lower = nullptr;   // (L,) bounds; equal bounds hold a label fixed
    const double* upper = nullptr;   // (L,)

    // A spectrum is fitted from each of its own starts, moved inside the bounds. One that holds a NaN is left
    // out.
    std::size_t n_given = 0;        // S
    const double* starts = nullptr; // (N, S, L); null = none

    // A spectrum without a start is fitted from the n_starts candidates of least chi2 that lie more than a
    // tenth of the label range from each other. Candidates outside the bounds are left out; with none left,
    // the fit starts at the centre of the bounds.
    std::size_t n_candidates = 0;       // M; they take 8 M K bytes compressed, else 8 M P
    const double* candidates = nullptr; // (M, L); null = none
    std::size_t n_starts = 3;

    // False searches in pixel space also where chi2 compresses: slower, the same minimum. See compress.hpp.
    bool compress = true;
};

// What does not exist is NaN: all but n_pixels, status and n_evaluations of a spectrum whose status is
// NON_FINITE or TOO_FEW_PIXELS, and the covariance of one whose status is SINGULAR.
struct FitOutput {
    double* labels;              // (N, L)
    double* covariance;          // (N, L, L) inverse Gauss-Newton matrix, bounds ignored; 0 for a fixed label
    double* chi2;                // (N,)
    double* chi2_noise;          // (N,) of the same solution and pixels with w = ivar
    std::int32_t* n_pixels;      // (N,) usable ones
    std::int32_t* status;        // (N,) enum Status
    std::int32_t* n_evaluations; // (N,) of chi2, all starts together
    bool* at_bound;              // (N, L)
    std::int32_t* n_agree; // (N,) starts that ended within 0.1 formal error of the solution, itself included
};

// The best of all starts wins; where chi2 compresses, it is followed to its end in pixel space. Each result
// depends on its own spectrum alone: it is the same, bit for bit, for any number of threads and any order.
// threads and wake: see parallel_for. Throws std::invalid_argument for bounds that are not finite, empty or
// outside a transform's domain.
void fit_batch(const Emulator& emulator, const FitInput& input, const FitOutput& output,
               const SolveOptions& options, int threads, const std::function<void(std::size_t)>& wake);

} // namespace maury

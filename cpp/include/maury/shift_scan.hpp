// The velocity of spectra of which nothing is known: cross-correlation with a few spectra of the emulator.
#pragma once

#include "maury/fit.hpp"

#include <cstddef>
#include <functional>

namespace maury {

// shift (N,): where sum_p w_p (flux_p - template(u_p - shift))^2 is least over the templates and |shift| <=
// most_shift, in pixels of the emulator, to a few tenths; NaN if a spectrum has no pixel that all shifts
// leave on the grid. u_p is the centre of pixel p, w_p as in FitInput; flux counts as at least 0 and at
// most 1.5, lest a cosmic ray decide. templates (T, n_grid) on the grid of the emulator, scatter (n_grid,) or
// null. Of observed only the pixels count.
template <typename Number>
void scan_shift(const Observed& observed, std::size_t n_spectra, const Number* flux, const Number* ivar,
                const float* templates, std::size_t n_templates, std::size_t n_grid, const double* scatter,
                double most_shift, double* shift, int threads, const std::function<void(std::size_t)>& wake);

extern template void scan_shift<float>(const Observed&, std::size_t, const float*, const float*, const float*,
                                       std::size_t, std::size_t, const double*, double, double*, int,
                                       const std::function<void(std::size_t)>&);
extern template void scan_shift<double>(const Observed&, std::size_t, const double*, const double*,
                                        const float*, std::size_t, std::size_t, const double*, double,
                                        double*, int, const std::function<void(std::size_t)>&);

} // namespace maury

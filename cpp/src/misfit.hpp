// Misfits that are smooth over tens of pixels: fringes, steps between arms, telluric bands, other objects.
#pragma once

#include "emission.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// Pixels of a spectrum in a cell of 20 pixels of the emulator, and in the edges that are left out: a quarter
// of the window of the running median, which there covers one side only. width: of a pixel of the spectrum,
// in pixels of the emulator.
struct CellSize {
    std::size_t cell, edge;
};
CellSize cell_size(double width, double window);

// rms and largest value of the residual in cells, in units of the continuum. a = sum w r / sum w in a cell,
// r = flux - model, w = 1 / (1 / ivar + scatter^2); its variance is v = 1 / sum w. The rms of M cells is
// sqrt(mean(a^2 - v) - 3 sqrt(2 sum v^2) / M), the largest value |a| - 3 sqrt(v): with 3 sigma of the noise
// subtracted, noise alone rarely gives more than 0. Both are at least 0.
struct SmoothMisfit {
    double rms, worst;
};
SmoothMisfit smooth_misfit(const NormalisedFit& fit, CellSize size);

// Whether it is more than `usual`, the rms flux error of stars withheld from the training of the emulator.
bool is_misfit(SmoothMisfit found, double usual);

// rms of the residual over that of the features of a spectrum: near 0 for a star, else near 1. In cells r is
// the median of flux - model, m the mean of model - 1. With weights g = 1 / (v + s^2 + 0.01^2), v the
// variance of r by the noise, s the scatter of the emulator, large in telluric bands,
//   part^2 = [<g^2 r^2> - <g^2 v> - 3 sqrt(2 <g^4 v^2>)] / max(<g^2 (r + m)^2> - <g^2 v>, <g^2 m^2>)
// It needs no unit and no noise floor: the lines of a hot star are few and weak, and so is what a fit leaves
// of them. A quasar, a galaxy or a carbon star shows features that no labels give; a spectrum without lines
// lacks those that any labels give. The median of a cell is blind to cosmic rays and narrow emission.
double unexplained_part(const NormalisedFit& fit, std::size_t cell);

} // namespace maury

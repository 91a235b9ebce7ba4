// Residual modes: what an emulator does wrong at many pixels at once, as covariance of its flux.
//
// With U (P, M) the modes on the pixels of a spectrum, each times the continuum, W the weights of its pixels
// and r = d - c m, each mode is a further column of the fit whose amplitude z has a unit Gaussian prior:
//   chi2 = min over z of (r - U z)'W (r - U z) + z'z = r'(W^-1 + U U')^-1 r = r'W r - y'z,
//   y = U'W r,  z = B^-1 y,  B = I + U'W U  (Woodbury).
#pragma once

#include "maury/aligned.hpp"
#include "maury/instrument.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// On the grid of the emulator, a column each.
struct GridModes {
    GridModes(const std::vector<double>& modes, std::size_t n_pixels); // modes (P, M), in normalised flux

    std::size_t n_modes, rows;          // rows: P and what an instrument reads beyond
    std::vector<double> values, spline; // (M, rows); as coefficients of splines
};

// Of one spectrum.
class ResidualModes {
  public:
    // grid: null = none
    void set(const GridModes* grid, std::size_t n_pixels);
    bool any() const { return grid_ != nullptr; }
    bool seen() const { return seen_; }

    // The modes as the instrument shows them, null = the pixels are the emulator's own, times scale (n,)
    // where that is finite.
    void see(const Instrument* instrument, const double* scale);
    void forget_weights() { weighed_ = false; } // they have changed

    // r = fitted - data. Returns y'z; the functions below then belong to it.
    double explain(const double* weight, const double* data, const double* fitted);
    // weighted (n,) = W r -> W (r - U z) = (W^-1 + U U')^-1 r
    void subtract(const double* weight, double* weighted);
    // out (n,) = fitted - U z: the fit with the modes at their most likely amplitudes
    void explained(const double* fitted, double* out);
    // hessian (n_columns, n_columns) = J'W J -> J'(W^-1 + U U')^-1 J, jacobian (panels, n, 8)
    void reduce(const double* weight, const double* jacobian, std::size_t n_columns, double* hessian);
    // The covariance C (n_columns, n_columns) of a fit with the hessian H of the last `reduce`, less the part
    // of the modes: with noise W^-1 the gradient J'(W^-1 + U U')^-1 r scatters by H - S S', S = J'W U B^-1.
    void leave_out(std::size_t n_columns, double* covariance);

  private:
    void weigh(const double* weight);
    void set_column();

    const GridModes* grid_ = nullptr;
    bool seen_ = false, weighed_ = false;
    std::size_t n_ = 0, n_panels_ = 0, n_modes_ = 0; // of eight modes; with the zeros that fill the last
    Aligned<double> modes_;                          // (panels, n, 8)
    std::vector<double> factor_;                     // of B
    std::vector<double> y_, amplitude_;              // amplitude_: z
    std::vector<double> column_, cross_, solved_;
};

} // namespace maury

// The continuum of a spectrum: before a fit a running median of the data, within one local straight lines.
#pragma once

#include "maury/aligned.hpp"
#include "maury/running_median.hpp"
#include "pixels.hpp"
#include "simd/kernels.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace maury {

// Running median of the data on the emulator's grid, of each arm its own. It is biased by noise, gaps, ends
// and the instrument, so it serves the search and the weight of the scatter, nothing else.
class FirstContinuum {
  public:
    // continuum (P,) of the pixels that lie from -aside to aside beyond the grid at this shift; NaN elsewhere
    // and where there is none above 0
    void set(const Pixels& pixels, const WavelengthGrid& grid, double shift, double aside);
    const std::vector<double>& values() const { return continuum_; }

  private:
    void set_arm(const Pixels& pixels, std::int32_t arm, std::size_t half, double origin,
                 std::size_t n_cells);

    MedianWorkspace work_;
    std::vector<double> continuum_, cells_, median_;
    std::vector<std::uint32_t> count_;
};

// c_p is the value at u_p of the straight line a + b (u - u_p) that makes
//   sum_q w_q (d_q - f_q (a + b (u_q - u_p)))^2,  |u_q - u_p| <= half, q in the run of p,
// least: a weighted fit of a line to d / f, linear in the data, solved by running sums. Runs are those of
// pixels.hpp: an arm has a continuum of its own.
class LocalLine {
  public:
    // place (n,) and runs as in Pixels. Both and the arrays of fit must live while they are used here.
    void set(const double* place, const std::vector<std::size_t>& runs, std::size_t n, double half);

    // data, weight, model (n,) -> continuum(); 1 where nothing tells it
    void fit(const double* data, const double* weight, const double* model);
    const double* continuum() const { return continuum_.data(); } // (n,)
    bool known(std::size_t p) const { return known_[p] != 0.0; }

    // columns (n, 8) = df -> out (n, 8) = d (c f) = c df + f dc, exactly, at the model of the last fit
    void derivatives(const double* columns, double* out);
    // out (n,) = D'v, D the matrix of those derivatives, v (n,)
    void adjoint(const double* v, double* out);

  private:
    simd::LineSums line(std::size_t run);

    const double *place_ = nullptr, *model_ = nullptr;
    std::size_t n_ = 0;
    std::vector<std::size_t> runs_;
    std::vector<std::uint32_t> first_, end_; // of windows, within their runs
    std::vector<double> scaled_;             // (u - u of the first pixel of the run) / half
    std::vector<double> weighted_data_, weighted_model_, continuum_, known_, factor_;
    std::vector<double> sums_; // (6, pixels of a run + 1)
};

} // namespace maury

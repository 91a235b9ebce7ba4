#include "continuum.hpp"

#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {

void FirstContinuum::set(const Pixels& pixels, const WavelengthGrid& grid, double shift, double aside) {
    continuum_.assign(pixels.size(), std::numeric_limits<double>::quiet_NaN());
    const auto reach = static_cast<std::size_t>(std::ceil(aside));
    const double origin = shift - static_cast<double>(reach) - 0.5;
    for (std::size_t arm = 0; arm < pixels.n_arms(); ++arm)
        set_arm(pixels, static_cast<std::int32_t>(arm), static_cast<std::size_t>(grid.window()) / 2, origin,
                grid.size() + 2 * reach);
}

// Each cell of the grid holds the mean of the pixels with their centres in it.
void FirstContinuum::set_arm(const Pixels& pixels, std::int32_t arm, std::size_t half, double origin,
                             std::size_t n_cells) {
    const auto cell_of = [&](std::size_t p) { return (pixels.place()[p] - origin); };
    cells_.assign(n_cells, 0.0);
    count_.assign(n_cells, 0);
    std::size_t first = n_cells, end = 0;
    for (std::size_t p = 0; p < pixels.size(); ++p) {
        const double place = cell_of(p);
        if (pixels.arm()[p] != arm || pixels.ivar()[p] <= 0.0 || !(place >= 0.0) ||
            place >= static_cast<double>(n_cells))
            continue;
        const auto cell = static_cast<std::size_t>(place);
        cells_[cell] += pixels.flux()[p];
        ++count_[cell];
        first = std::min(first, cell);
        end = std::max(end, cell + 1);
    }
    if (first >= end)
        return;
    for (std::size_t cell = first; cell < end; ++cell)
        cells_[cell] =
            count_[cell] > 0 ? cells_[cell] / count_[cell] : std::numeric_limits<double>::quiet_NaN();
    median_.resize(n_cells);
    running_median(&cells_[first], nullptr, &median_[first], end - first, half, work_);
    for (std::size_t p = 0; p < pixels.size(); ++p) {
        const double place = cell_of(p) - 0.5; // between the centres of cells
        if (pixels.arm()[p] != arm || !(place >= static_cast<double>(first) - 0.5) ||
            place > static_cast<double>(end) - 0.5)
            continue;
        const double inside = std::clamp(place, static_cast<double>(first), static_cast<double>(end - 1));
        const auto left = static_cast<std::size_t>(inside);
        const std::size_t right = std::min(left + 1, end - 1);
        const double part = inside - static_cast<double>(left);
        const double value =
            part > 0.0 ? (1.0 - part) * median_[left] + part * median_[right] : median_[left];
        if (value > 0.0 && std::isfinite(value))
            continuum_[p] = value;
    }
}

void LocalLine::set(const double* place, const std::vector<std::size_t>& runs, std::size_t n, double half) {
    place_ = place;
    n_ = n;
    runs_ = runs;
    for (auto* values : {&scaled_, &weighted_data_, &weighted_model_, &continuum_, &known_})
        values->resize(n);
    factor_.resize(5 * n);
    sums_.resize(6 * (n + 1));
    first_.resize(n);
    end_.resize(n);
    const double reach = half + 1e-3; // centres are half-way in wavelength, not in its logarithm
    for (std::size_t r = 0; r + 1 < runs.size(); ++r) {
        std::size_t left = runs[r], right = runs[r];
        for (std::size_t p = runs[r]; p < runs[r + 1]; ++p) {
            while (place[p] - place[left] > reach)
                ++left;
            while (right < runs[r + 1] && place[right] - place[p] <= reach)
                ++right;
            first_[p] = static_cast<std::uint32_t>(left - runs[r]);
            end_[p] = static_cast<std::uint32_t>(right - runs[r]);
            scaled_[p] = (place[p] - place[runs[r]]) / half;
        }
    }
}

// With sums over the window of a = w f d and b = w f^2, and t from the centre of the window:
//   b0 c + b1 s = a0,  b1 c + b2 s = a1.
// Differentiated by f, with df of the pixels in the window:
//   b0 dc + b1 ds = g0,  b1 dc + b2 ds = g1,  g_k = sum w (d - 2 f (c + s t)) t^k df.
// A window is a difference of sums from the start of its run.
void LocalLine::fit(const double* data, const double* weight, const double* model) {
    model_ = model;
    for (std::size_t r = 0; r + 1 < runs_.size(); ++r)
        simd::kernels().solve_lines(line(r), data + runs_[r], weight + runs_[r], sums_.data());
}

simd::LineSums LocalLine::line(std::size_t run) {
    const std::size_t begin = runs_[run];
    return {runs_[run + 1] - begin, n_,
            &scaled_[begin],        model_ + begin,
            &first_[begin],         &end_[begin],
            &weighted_data_[begin], &weighted_model_[begin],
            &factor_[begin],        &continuum_[begin],
            &known_[begin]};
}

// With dc_p = sum_k F_kp sum_q (w d, w d t, w f, w f t, w f t^2)_kq df_q over the window of p, and q in the
// window of p where p is in that of q:
//   (D'v)_q = c_q v_q + sum_k (w d, ...)_kq sum_p F_kp f_p v_p over the window of q.
void LocalLine::adjoint(const double* v, double* out) {
    for (std::size_t r = 0; r + 1 < runs_.size(); ++r)
        simd::kernels().line_adjoint(line(r), v + runs_[r], sums_.data(), out + runs_[r]);
}

void LocalLine::derivatives(const double* columns, double* out) {
    for (std::size_t r = 0; r + 1 < runs_.size(); ++r)
        simd::kernels().line_derivatives(line(r), columns + runs_[r] * simd::eight,
                                         out + runs_[r] * simd::eight);
}

} // namespace maury

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
        cells_[cell] = count_[cell] > 0 ? cells_[cell] / count_[cell] : std::numeric_limits<double>::quiet_NaN();
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
        const double value = part > 0.0 ? (1.0 - part) * median_[left] + part * median_[right] : median_[left];
        if (value > 0.0 && std::isfinite(value))
            continuum_[p] = value;
    }
}

void LocalLine::set(const double* place, const std::vector<std::size_t>& runs, std::size_t n, double half) {
    place_ = place;
    n_ = n;
    runs_ = runs;
    for (auto* values : {&scaled_, &weighted_data_, &weighted_model_, &continuum_})
        values->resize(n);
    factor_.resize(5 * n);
    known_.resize(n);
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
void LocalLine::fit(const double* data, const double* weight, const double* model) {
    constexpr double least_spread = 1e-4; // of t, squared: below, the line is level
    model_ = model;
    for (std::size_t p = 0; p < n_; ++p) {
        weighted_data_[p] = weight[p] * data[p];
        weighted_model_[p] = weight[p] * model[p];
    }
    for (std::size_t r = 0; r + 1 < runs_.size(); ++r) {
        const std::size_t begin = runs_[r], n = runs_[r + 1] - begin;
        const double *wd = &weighted_data_[begin], *wf = &weighted_model_[begin], *f = model + begin,
                     *t = &scaled_[begin];
        double a0 = 0.0, a1 = 0.0, b0 = 0.0, b1 = 0.0, b2 = 0.0;
        std::uint32_t left = 0, right = 0, used = 0;
        const auto move = [&](std::size_t q, double sign) {
            const double a = sign * wd[q] * f[q], b = sign * wf[q] * f[q];
            a0 += a;
            a1 += a * t[q];
            b0 += b;
            b1 += b * t[q];
            b2 += b * t[q] * t[q];
            used += b == 0.0 ? 0u : sign > 0.0 ? 1u : ~0u;
        };
        for (std::size_t p = 0; p < n; ++p) {
            for (; right < end_[begin + p]; ++right)
                move(right, 1.0);
            for (; left < first_[begin + p]; ++left)
                move(left, -1.0);
            double* k = &factor_[5 * (begin + p)];
            known_[begin + p] = used > 0 && b0 > 0.0;
            if (!known_[begin + p]) {
                continuum_[begin + p] = 1.0;
                std::fill_n(k, 5, 0.0);
                a0 = a1 = b0 = b1 = b2 = 0.0; // what rounding left
                continue;
            }
            const double tp = t[p], a1p = a1 - tp * a0, b1p = b1 - tp * b0,
                         b2p = b2 - 2.0 * tp * b1 + tp * tp * b0, det = b0 * b2p - b1p * b1p;
            const bool level = used < 3 || !(det > least_spread * b0 * b0);
            const double k0 = level ? 1.0 / b0 : b2p / det, k1 = level ? 0.0 : -b1p / det;
            const double c = k0 * a0 + k1 * a1p, s = level ? 0.0 : (b0 * a1p - b1p * a0) / det;
            continuum_[begin + p] = c;
            // dc = k0 g0 + k1 g1, in sums about the first pixel of the run
            const double by0 = -2.0 * c * k0, by1 = -2.0 * (s * k0 + c * k1), by2 = -2.0 * s * k1;
            k[0] = k0 - k1 * tp;
            k[1] = k1;
            k[2] = by0 - by1 * tp + by2 * tp * tp;
            k[3] = by1 - 2.0 * by2 * tp;
            k[4] = by2;
        }
    }
}

void LocalLine::derivatives(const double* columns, double* out) const {
    for (std::size_t r = 0; r + 1 < runs_.size(); ++r) {
        const std::size_t begin = runs_[r];
        const simd::LineSums line{&weighted_data_[begin], &weighted_model_[begin], &scaled_[begin],
                                  &factor_[5 * begin],    &continuum_[begin],      model_ + begin,
                                  &first_[begin],         &end_[begin]};
        simd::kernels().line_derivatives(line, runs_[r + 1] - begin, columns + begin * simd::eight,
                                         out + begin * simd::eight);
    }
}

} // namespace maury

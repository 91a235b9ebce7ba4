// Local straight lines by running sums.
#pragma once

#include "kernels.hpp"
#include "panels.hpp"

#include <limits>

namespace maury::simd {
namespace {

// values[index[p]], ... of n_doubles pixels: mostly neighbours, or all the same.
Doubles take(const double* values, const std::uint32_t* index) {
    if (index[n_doubles - 1] - index[0] == n_doubles - 1)
        return load<Doubles>(values + index[0]);
    double lane[n_doubles];
    for (std::size_t i = 0; i < n_doubles; ++i)
        lane[i] = values[index[i]];
    return load<Doubles>(lane);
}

// See LocalLine::fit.
void solve_lines(const LineSums& line, const double* sums) {
    constexpr double least_spread = 1e-4; // of t, squared: below, the line is level
    const std::size_t n = line.n_pixels, size = n + 1;
    const auto solve = [&](const std::uint32_t* first, const std::uint32_t* end, Doubles t,
                           double* continuum, double* factor, std::size_t stride) {
        const auto window = [&](std::size_t k) {
            return take(sums + k * size, end) - take(sums + k * size, first);
        };
        const Doubles a0 = window(0), a1 = window(1), b0 = window(2), b1 = window(3), b2 = window(4),
                      used = window(5), zero{}, one = zero + 1.0;
        const Doubles a1p = a1 - t * a0, b1p = b1 - t * b0, b2p = b2 - t * (2.0 * b1 - t * b0),
                      det = b0 * b2p - b1p * b1p;
        const auto known = (used > zero) & (b0 > zero);
        const auto level = (used < zero + 3.0) | !(det > least_spread * b0 * b0);
        const Doubles by = known ? one / (level ? b0 : det) : zero;
        const Doubles k0 = level ? by : b2p * by, k1 = level ? zero : -b1p * by;
        const Doubles c = k0 * a0 + k1 * a1p, s = level ? zero : (b0 * a1p - b1p * a0) * by;
        store(continuum, known ? c : zero + std::numeric_limits<double>::quiet_NaN());
        // dc = k0 g0 + k1 g1, in sums about the first pixel of the run
        const Doubles by0 = -2.0 * c * k0, by1 = -2.0 * (s * k0 + c * k1), by2 = -2.0 * s * k1;
        store(factor, k0 - k1 * t);
        store(factor + stride, k1);
        store(factor + 2 * stride, by0 - t * (by1 - by2 * t));
        store(factor + 3 * stride, by1 - 2.0 * by2 * t);
        store(factor + 4 * stride, by2);
    };
    std::size_t p = 0;
    for (; p + n_doubles <= n; p += n_doubles)
        solve(line.first + p, line.end + p, load<Doubles>(line.place + p), line.continuum + p, line.factor + p,
              line.stride);
    if (p == n)
        return;
    std::uint32_t first[n_doubles], end[n_doubles];
    double place[n_doubles], continuum[n_doubles], factor[5 * n_doubles];
    for (std::size_t i = 0; i < n_doubles; ++i) {
        const std::size_t q = p + i < n ? p + i : n - 1;
        first[i] = line.first[q];
        end[i] = line.end[q];
        place[i] = line.place[q];
    }
    solve(first, end, load<Doubles>(place), continuum, factor, n_doubles);
    for (std::size_t i = 0; p + i < n; ++i) {
        line.continuum[p + i] = continuum[i];
        for (std::size_t k = 0; k < 5; ++k)
            line.factor[k * line.stride + p + i] = factor[k * n_doubles + i];
    }
}

void line_derivatives(const LineSums& line, const double* columns, double* out) {
    Doubles sum[5][double_parts] = {};
    std::size_t left = 0, right = 0;
    const auto move = [&](std::size_t q, double sign) {
        const double by_data = sign * line.weighted_data[q], by_model = sign * line.weighted_model[q],
                     t = line.place[q];
        MAURY_UNROLL for (std::size_t v = 0; v < double_parts; ++v) {
            const Doubles here = load<Doubles>(columns + q * eight + v * n_doubles);
            const Doubles a = here * by_data, b = here * by_model, bt = b * t;
            sum[0][v] += a;
            sum[1][v] += a * t;
            sum[2][v] += b;
            sum[3][v] += bt;
            sum[4][v] += bt * t;
        }
    };
    for (std::size_t p = 0; p < line.n_pixels; ++p) {
        for (; right < line.end[p]; ++right)
            move(right, 1.0);
        for (; left < line.first[p]; ++left)
            move(left, -1.0);
        const double *factor = line.factor + p, c = line.continuum[p], f = line.model[p];
        const std::size_t n = line.stride;
        MAURY_UNROLL for (std::size_t v = 0; v < double_parts; ++v) {
            Doubles change = sum[0][v] * factor[0] + sum[1][v] * factor[n] + sum[2][v] * factor[2 * n] +
                             sum[3][v] * factor[3 * n] + sum[4][v] * factor[4 * n];
            const std::size_t at = p * eight + v * n_doubles;
            store(out + at, load<Doubles>(columns + at) * c + change * f);
        }
    }
}

} // namespace
} // namespace maury::simd

// Local straight lines by running sums.
#pragma once

#include "kernels.hpp"
#include "panels.hpp"

#include <utility>

namespace maury::simd {
namespace {

// values[index[0]], ... of n_doubles pixels: mostly neighbours.
Doubles take(const double* values, const std::uint32_t* index) {
    std::uint32_t apart = 0; // from neighbours
    for (std::size_t i = 1; i < n_doubles; ++i)
        apart |= index[i] - index[0] - static_cast<std::uint32_t>(i);
    if (apart == 0)
        return load<Doubles>(values + index[0]);
    double lane[n_doubles];
    for (std::size_t i = 0; i < n_doubles; ++i)
        lane[i] = values[index[i]];
    return load<Doubles>(lane);
}

// Of n_doubles numbers, or at an end of n of them and zeros.
Doubles load_some(const double* from, std::size_t n) {
    if (n >= n_doubles)
        return load<Doubles>(from);
    double lane[n_doubles] = {};
    __builtin_memcpy(lane, from, n * sizeof(double));
    return load<Doubles>(lane);
}

void store_some(double* to, Doubles v, std::size_t n) {
    if (n >= n_doubles)
        store(to, v);
    else
        __builtin_memcpy(to, &v, n * sizeof(double));
}

template <std::size_t by, std::size_t... i> Doubles moved_up(Doubles v, std::index_sequence<i...>) {
    return __builtin_shufflevector(v, Doubles{}, (i < by ? n_doubles + i : i - by)...);
}

// v_0, v_0 + v_1, ...
template <std::size_t by = 1> Doubles sums_to(Doubles v) {
    if constexpr (by < n_doubles)
        return sums_to<2 * by>(v + moved_up<by>(v, std::make_index_sequence<n_doubles>()));
    else
        return v;
}

// sums (K, n + 1): those of the K terms of the pixels before each. each(q, left, term) sets the terms of
// pixels q, ... of which `left` are left.
template <std::size_t K, typename Each> void running_sums(std::size_t n, double* sums, Each each) {
    Doubles before[K] = {}, term[K];
    MAURY_UNROLL for (std::size_t k = 0; k < K; ++k) sums[k * (n + 1)] = 0.0;
    for (std::size_t q = 0; q < n; q += n_doubles) {
        each(q, n - q, term);
        MAURY_UNROLL for (std::size_t k = 0; k < K; ++k) {
            const Doubles total = before[k] + sums_to(term[k]);
            store_some(sums + k * (n + 1) + q + 1, total, n - q);
            before[k] = Doubles{} + total[n_doubles - 1];
        }
    }
}

// See LocalLine::fit.
void solve_lines(const LineSums& line, const double* data, const double* weight, double* sums) {
    constexpr double least_spread = 1e-4; // of t, squared: below, the line is level
    const std::size_t n = line.n_pixels, size = n + 1;
    running_sums<6>(n, sums, [&](std::size_t q, std::size_t left, Doubles(&term)[6]) {
        const Doubles f = load_some(line.model + q, left), t = load_some(line.place + q, left);
        const Doubles w = load_some(weight + q, left), wd = w * load_some(data + q, left), wf = w * f;
        store_some(line.weighted_data + q, wd, left);
        store_some(line.weighted_model + q, wf, left);
        term[0] = wd * f;
        term[1] = term[0] * t;
        term[2] = wf * f;
        term[3] = term[2] * t;
        term[4] = term[3] * t;
        term[5] = term[2] > Doubles{} ? Doubles{} + 1.0 : Doubles{};
    });
    const auto solve = [&](const std::uint32_t* first, const std::uint32_t* end, Doubles t, double* continuum,
                           double* factor, std::size_t stride, double* is_known) {
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
        store(continuum, known ? c : one);
        store(is_known, known ? one : zero);
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
        solve(line.first + p, line.end + p, load<Doubles>(line.place + p), line.continuum + p,
              line.factor + p, line.stride, line.known + p);
    if (p == n)
        return;
    std::uint32_t first[n_doubles], end[n_doubles];
    double place[n_doubles], continuum[n_doubles], factor[5 * n_doubles], known[n_doubles];
    for (std::size_t i = 0; i < n_doubles; ++i) {
        const std::size_t q = p + i < n ? p + i : n - 1;
        first[i] = line.first[q];
        end[i] = line.end[q];
        place[i] = line.place[q];
    }
    solve(first, end, load<Doubles>(place), continuum, factor, n_doubles, known);
    for (std::size_t i = 0; p + i < n; ++i) {
        line.continuum[p + i] = continuum[i];
        line.known[p + i] = known[i];
        for (std::size_t k = 0; k < 5; ++k)
            line.factor[k * line.stride + p + i] = factor[k * n_doubles + i];
    }
}

// See LocalLine::adjoint.
void line_adjoint(const LineSums& line, const double* v, double* sums, double* out) {
    const std::size_t n = line.n_pixels, size = n + 1;
    running_sums<5>(n, sums, [&](std::size_t q, std::size_t left, Doubles(&term)[5]) {
        const Doubles here = load_some(v + q, left) * load_some(line.model + q, left);
        MAURY_UNROLL for (std::size_t k = 0; k < 5; ++k) term[k] =
            here * load_some(line.factor + k * line.stride + q, left);
    });
    for (std::size_t q = 0; q < n; q += n_doubles) {
        const std::size_t left = n - q < n_doubles ? n - q : n_doubles;
        std::uint32_t first[n_doubles] = {}, end[n_doubles] = {};
        __builtin_memcpy(first, line.first + q, left * sizeof *first);
        __builtin_memcpy(end, line.end + q, left * sizeof *end);
        const auto window = [&](std::size_t k) {
            return take(sums + k * size, end) - take(sums + k * size, first);
        };
        const Doubles t = load_some(line.place + q, left);
        const Doubles sum =
            load_some(line.continuum + q, left) * load_some(v + q, left) +
            load_some(line.weighted_data + q, left) * (window(0) + t * window(1)) +
            load_some(line.weighted_model + q, left) * (window(2) + t * (window(3) + t * window(4)));
        store_some(out + q, sum, left);
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

// A banded matrix: each pixel from a few numbers that stand together.
#pragma once

#include "kernels.hpp"
#include "vector.hpp"

#include <cstdint>
#include <type_traits>

namespace maury::simd {
namespace {

// Four doubles as one vector, or two.
using FourDoubles = std::conditional_t<(n_doubles > 4), HalfDoubles, Doubles>;
constexpr std::size_t parts_of_four = 4 * sizeof(double) / sizeof(FourDoubles);

double sum_of_four(FourDoubles v) {
    double lane[4 / parts_of_four];
    store(lane, v);
    return sum_of_lanes(lane);
}

// Weights k, ... of row p.
FourDoubles weights_at(const Band& band, std::size_t p, std::size_t k) {
    const FourDoubles weights = load<FourDoubles>(band.weight + k);
    const double away = band.away ? band.away[p] : 0.0;
    return away == 0.0 ? weights
                       : weights + away * (load<FourDoubles>(band.by_shift + k) +
                                           away * load<FourDoubles>(band.by_extra + k));
}

template <std::size_t C>
void banded_row(std::size_t n_columns, const Band& band, std::size_t p, const double* columns,
                std::size_t stride, double* out, std::size_t out_stride) {
    if constexpr (C > 1)
        if (n_columns < C)
            return banded_row<C - 1>(n_columns, band, p, columns, stride, out, out_stride);
    FourDoubles sum[C] = {};
    const double* from = columns + band.first[p];
    for (std::size_t k = band.start[p]; k < band.start[p + 1]; k += 4 / parts_of_four) {
        const FourDoubles weights = weights_at(band, p, k);
        MAURY_UNROLL for (std::size_t c = 0; c < C; ++c) sum[c] +=
            weights * load<FourDoubles>(from + c * stride);
        from += 4 / parts_of_four;
    }
    MAURY_UNROLL for (std::size_t c = 0; c < C; ++c) out[c * out_stride] = sum_of_four(sum[c]);
}

void banded(const Band& band, const double* columns, std::size_t stride, std::size_t n_columns, double* out,
            std::size_t out_stride, std::size_t out_step) {
    constexpr std::size_t most = 4;
    for (std::size_t p = 0; p < band.n_pixels; ++p)
        for (std::size_t c = 0; c < n_columns; c += most)
            banded_row<most>(n_columns - c, band, p, columns + c * stride, stride,
                             out + p * out_step + c * out_stride, out_stride);
}

void banded_derivatives(const Band& band, const double* column, double* out, double* by_shift,
                        double* by_extra) {
    constexpr std::size_t width = 4 / parts_of_four;
    for (std::size_t p = 0; p < band.n_pixels; ++p) {
        const double *from = column + band.first[p], away = band.away ? band.away[p] : 0.0;
        FourDoubles sum[3] = {};
        for (std::size_t k = band.start[p]; k < band.start[p + 1]; k += width, from += width) {
            const FourDoubles here = load<FourDoubles>(from);
            sum[0] += here * load<FourDoubles>(band.weight + k);
            sum[1] += here * load<FourDoubles>(band.by_shift + k);
            sum[2] += here * load<FourDoubles>(band.by_extra + k);
        }
        const double slope = sum_of_four(sum[1]), bend = sum_of_four(sum[2]);
        out[p] = sum_of_four(sum[0]) + away * (slope + away * bend);
        by_shift[p] = slope + 2.0 * away * bend;
        by_extra[p] = bend;
    }
}

// Rows that begin and end alike are summed first: else each would wait for what the last one stored.
void banded_adjoint(const Band& band, const double* values, double* out) {
    constexpr std::size_t width = 4 / parts_of_four;
    for (std::size_t p = 0, end = 0; p < band.n_pixels; p = end) {
        const std::size_t n = band.start[p + 1] - band.start[p];
        while (end < band.n_pixels && band.first[end] == band.first[p] &&
               band.start[end + 1] - band.start[end] == n)
            ++end;
        for (std::size_t k = 0; k < n; k += width) {
            FourDoubles sum = load<FourDoubles>(out + band.first[p] + k);
            for (std::size_t q = p; q < end; ++q)
                sum += weights_at(band, q, band.start[q] + k) * values[q];
            store(out + band.first[p] + k, sum);
        }
    }
}

void blend_steps(const double* node, std::size_t n, const double* factor, int n_derivatives, double* out,
                 std::size_t out_stride) {
    for (std::size_t k = 0; k < n; k += n_doubles) {
        Doubles value[6];
        MAURY_UNROLL for (std::size_t d = 0; d < 6; ++d) value[d] = load<Doubles>(node + d * n + k);
        Doubles step = value[0], slope = value[1], bend = value[2];
        MAURY_UNROLL for (std::size_t d = 1; d < 6; ++d) step += value[d] * factor[d];
        store(out + k, step);
        if (n_derivatives > 0) {
            MAURY_UNROLL for (std::size_t d = 1; d < 5; ++d) slope += value[d + 1] * factor[d];
            store(out + out_stride + k, slope);
        }
        if (n_derivatives > 1) {
            MAURY_UNROLL for (std::size_t d = 1; d < 4; ++d) bend += value[d + 2] * factor[d];
            store(out + 2 * out_stride + k, bend);
        }
    }
}

void edge_difference(const double* upper, std::size_t upper_stride, const double* lower,
                     std::size_t lower_stride, double scale, std::size_t n, int n_derivatives, bool add,
                     double* weight, double* by_shift, double* by_extra) {
    double* const out[3] = {weight, by_shift, by_extra};
    const double factor[3] = {scale, -scale, 0.5 * scale};
    for (int d = 0; d <= n_derivatives; ++d, upper += upper_stride, lower += lower_stride)
        for (std::size_t k = 0; k < n; k += 4 / parts_of_four) {
            const FourDoubles change =
                (load<FourDoubles>(upper + k) - load<FourDoubles>(lower + k)) * factor[d];
            store(out[d] + k, add ? load<FourDoubles>(out[d] + k) + change : change);
        }
}

} // namespace
} // namespace maury::simd

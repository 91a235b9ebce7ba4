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

void banded(const double* weight, const std::uint32_t* first, const std::uint32_t* start,
            std::size_t n_pixels, const double* columns, std::size_t stride, std::size_t n_columns,
            double* out, std::size_t out_stride) {
    for (std::size_t p = 0; p < n_pixels; ++p) {
        const std::size_t begin = start[p], end = start[p + 1];
        for (std::size_t c = 0; c < n_columns; ++c) {
            const double* from = columns + c * stride + first[p];
            FourDoubles sum[parts_of_four] = {};
            for (std::size_t k = begin; k < end; k += 4, from += 4)
                MAURY_UNROLL for (std::size_t v = 0; v < parts_of_four; ++v) sum[v] +=
                    load<FourDoubles>(weight + k + v * 4 / parts_of_four) *
                    load<FourDoubles>(from + v * 4 / parts_of_four);
            double lane[4];
            MAURY_UNROLL for (std::size_t v = 0; v < parts_of_four; ++v)
                store(lane + v * 4 / parts_of_four, sum[v]);
            out[c * out_stride + p] = (lane[0] + lane[2]) + (lane[1] + lane[3]);
        }
    }
}

void banded_derivatives(const double* weight, const double* first_derivative, const double* second_derivative,
                        const std::uint32_t* first, const std::uint32_t* start, std::size_t n_pixels,
                        const double* column, double* out, double* by_first, double* by_second) {
    constexpr std::size_t width = 4 / parts_of_four;
    for (std::size_t p = 0; p < n_pixels; ++p) {
        const double* from = column + first[p];
        FourDoubles sum[3][parts_of_four] = {};
        for (std::size_t k = start[p]; k < start[p + 1]; k += 4, from += 4)
            MAURY_UNROLL for (std::size_t v = 0; v < parts_of_four; ++v) {
                const FourDoubles here = load<FourDoubles>(from + v * width);
                sum[0][v] += here * load<FourDoubles>(weight + k + v * width);
                sum[1][v] += here * load<FourDoubles>(first_derivative + k + v * width);
                sum[2][v] += here * load<FourDoubles>(second_derivative + k + v * width);
            }
        double total[3];
        MAURY_UNROLL for (std::size_t d = 0; d < 3; ++d) {
            double lane[4];
            MAURY_UNROLL for (std::size_t v = 0; v < parts_of_four; ++v) store(lane + v * width, sum[d][v]);
            total[d] = (lane[0] + lane[2]) + (lane[1] + lane[3]);
        }
        out[p] = total[0];
        by_first[p] = total[1];
        by_second[p] = total[2];
    }
}

// As many vectors of a row as the registers hold.
template <std::size_t V>
void banded_row(const double* weight, std::size_t n, const float* rows, std::size_t stride, float* out) {
    Floats sum[V] = {};
    for (std::size_t k = 0; k < n; ++k, rows += stride) {
        const float w = static_cast<float>(weight[k]);
        MAURY_UNROLL for (std::size_t v = 0; v < V; ++v) sum[v] += w * load<Floats>(rows + v * n_floats);
    }
    MAURY_UNROLL for (std::size_t v = 0; v < V; ++v) store(out + v * n_floats, sum[v]);
}

void banded_rows(const double* weight, const std::uint32_t* first, const std::uint32_t* start,
                 std::size_t n_pixels, const float* rows, std::size_t stride, float* out) {
    constexpr std::size_t one = panel / n_floats, wide = n_sums >= 4 * one ? 4 * one : 2 * one;
    for (std::size_t p = 0; p < n_pixels; ++p) {
        const float* from = rows + first[p] * stride;
        float* to = out + p * stride;
        const std::size_t n = start[p + 1] - start[p];
        std::size_t k = 0;
        for (; k + wide * n_floats <= stride; k += wide * n_floats)
            banded_row<wide>(weight + start[p], n, from + k, stride, to + k);
        for (; k < stride; k += one * n_floats)
            banded_row<one>(weight + start[p], n, from + k, stride, to + k);
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

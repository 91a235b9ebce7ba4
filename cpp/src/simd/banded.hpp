// A banded matrix: each pixel from a few numbers that stand together.
#pragma once

#include "kernels.hpp"
#include "vector.hpp"

#include <cstdint>

namespace maury::simd {
namespace {

void banded(const double* weight, const std::uint32_t* first, const std::uint32_t* start,
            std::size_t n_pixels, const double* columns, std::size_t stride, std::size_t n_columns,
            double* out, std::size_t out_stride) {
    for (std::size_t p = 0; p < n_pixels; ++p) {
        const std::size_t begin = start[p], end = start[p + 1];
        for (std::size_t c = 0; c < n_columns; ++c) {
            const double* from = columns + c * stride + first[p];
            double sum[4] = {};
            for (std::size_t k = begin; k < end; k += 4, from += 4)
                MAURY_UNROLL for (std::size_t i = 0; i < 4; ++i) sum[i] += weight[k + i] * from[i];
            out[c * out_stride + p] = (sum[0] + sum[2]) + (sum[1] + sum[3]);
        }
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

void weighted_columns(const double* columns, std::size_t n, std::size_t n_columns, const double* factor,
                      double* out) {
    for (std::size_t k = 0; k < n; k += n_doubles) {
        Doubles sum{};
        for (std::size_t c = 0; c < n_columns; ++c)
            sum += load<Doubles>(columns + c * n + k) * factor[c];
        store(out + k, sum);
    }
}

void add_difference(const double* a, const double* b, double factor, std::size_t n, double* out) {
    std::size_t k = 0;
    for (; k + n_doubles <= n; k += n_doubles)
        store(out + k, load<Doubles>(out + k) + (load<Doubles>(a + k) - load<Doubles>(b + k)) * factor);
    for (; k < n; ++k)
        out[k] += factor * (a[k] - b[k]);
}

} // namespace
} // namespace maury::simd

// Eight columns side by side: derivatives of a model, a row of eight for each pixel.
#pragma once

#include "kernels.hpp"
#include "vector.hpp"

#include <cstdint>
#include <type_traits>

namespace maury::simd {
namespace {

// Eight numbers as vectors no wider than eight.
using EightFloats = std::conditional_t<(n_floats > eight), HalfFloats, Floats>;
constexpr std::size_t float_parts = eight * sizeof(float) / sizeof(EightFloats);
constexpr std::size_t double_parts = eight / n_doubles;

void expand_eight(const float* rows, std::size_t stride, std::size_t n_pixels, const float* columns,
                  float* out) {
    constexpr std::size_t width = eight / float_parts, block = 8 / float_parts;
    std::size_t p = 0;
    for (; p + block <= n_pixels; p += block) {
        EightFloats sum[block][float_parts] = {};
        const float* row = rows + p * stride;
        for (std::size_t k = 0; k < stride; ++k) {
            EightFloats column[float_parts];
            MAURY_UNROLL for (std::size_t v = 0; v < float_parts; ++v) column[v] =
                load<EightFloats>(columns + k * eight + v * width);
            MAURY_UNROLL for (std::size_t i = 0; i < block; ++i) {
                const float here = row[i * stride + k];
                MAURY_UNROLL for (std::size_t v = 0; v < float_parts; ++v) sum[i][v] += column[v] * here;
            }
        }
        MAURY_UNROLL for (std::size_t i = 0; i < block; ++i)
            MAURY_UNROLL for (std::size_t v = 0; v < float_parts; ++v)
                store(out + (p + i) * eight + v * width, sum[i][v]);
    }
    for (; p < n_pixels; ++p) {
        EightFloats sum[float_parts] = {};
        for (std::size_t k = 0; k < stride; ++k)
            MAURY_UNROLL for (std::size_t v = 0; v < float_parts; ++v) sum[v] +=
                load<EightFloats>(columns + k * eight + v * width) * rows[p * stride + k];
        MAURY_UNROLL for (std::size_t v = 0; v < float_parts; ++v) store(out + p * eight + v * width, sum[v]);
    }
}

void banded_eight(const double* weight, const std::uint32_t* first, const std::uint32_t* start,
                  std::size_t n_pixels, const float* rows, double* out) {
    for (std::size_t p = 0; p < n_pixels; ++p) {
        Doubles sum[2][double_parts] = {};
        const float* row = rows + first[p] * eight;
        for (std::size_t k = start[p]; k < start[p + 1]; k += 2, row += 2 * eight)
            MAURY_UNROLL for (std::size_t i = 0; i < 2; ++i)
                MAURY_UNROLL for (std::size_t v = 0; v < double_parts; ++v) sum[i][v] +=
                load_floats<Doubles>(row + i * eight + v * n_doubles) * weight[k + i];
        MAURY_UNROLL for (std::size_t v = 0; v < double_parts; ++v)
            store(out + p * eight + v * n_doubles, sum[0][v] + sum[1][v]);
    }
}

void banded_adjoint(const double* weight, const std::uint32_t* first, const std::uint32_t* start,
                    std::size_t n_pixels, const double* values, double* out) {
    for (std::size_t p = 0; p < n_pixels; ++p) {
        double* to = out + first[p];
        const double value = values[p];
        for (std::size_t k = start[p]; k < start[p + 1]; k += 4, to += 4)
            MAURY_UNROLL for (std::size_t i = 0; i < 4; i += n_doubles < 4 ? n_doubles : 4) {
                if constexpr (n_doubles <= 4)
                    store(to + i, load<Doubles>(to + i) + load<Doubles>(weight + k + i) * value);
                else
                    for (std::size_t j = 0; j < 4; ++j)
                        to[j] += weight[k + j] * value;
            }
    }
}

// out (8, 8) += sum_p w_p a_p b_p', half of the rows at a time.
void normal_eight(const double* a, const double* b, const double* w, std::size_t n_pixels, double* out) {
    for (std::size_t first = 0; first < eight; first += 4) {
        Doubles sum[4][double_parts] = {};
        for (std::size_t p = 0; p < n_pixels; ++p) {
            const double* row = a + p * eight + first;
            Doubles weighted[double_parts];
            MAURY_UNROLL for (std::size_t v = 0; v < double_parts; ++v) weighted[v] =
                load<Doubles>(b + p * eight + v * n_doubles) * w[p];
            MAURY_UNROLL for (std::size_t i = 0; i < 4; ++i)
                MAURY_UNROLL for (std::size_t v = 0; v < double_parts; ++v) sum[i][v] += weighted[v] * row[i];
        }
        MAURY_UNROLL for (std::size_t i = 0; i < 4; ++i)
            MAURY_UNROLL for (std::size_t v = 0; v < double_parts; ++v) {
                double* to = out + (first + i) * eight + v * n_doubles;
                store(to, load<Doubles>(to) + sum[i][v]);
            }
    }
}

void sum_eight(const double* a, const double* v_of, std::size_t n_pixels, double* out) {
    Doubles sum[2][double_parts] = {};
    std::size_t p = 0;
    for (; p + 2 <= n_pixels; p += 2)
        MAURY_UNROLL for (std::size_t i = 0; i < 2; ++i)
            MAURY_UNROLL for (std::size_t v = 0; v < double_parts; ++v) sum[i][v] +=
            load<Doubles>(a + (p + i) * eight + v * n_doubles) * v_of[p + i];
    if (p < n_pixels)
        MAURY_UNROLL for (std::size_t v = 0; v < double_parts; ++v) sum[0][v] +=
            load<Doubles>(a + p * eight + v * n_doubles) * v_of[p];
    MAURY_UNROLL for (std::size_t v = 0; v < double_parts; ++v) {
        double* to = out + v * n_doubles;
        store(to, load<Doubles>(to) + (sum[0][v] + sum[1][v]));
    }
}

// out (n,) = sum_i v_i rows_i, n a multiple of panel
void sum_of_rows(const float* const* rows, const float* v, std::size_t n_rows, std::size_t n, float* out) {
    constexpr std::size_t parts = panel / n_floats;
    for (std::size_t k = 0; k < n; k += panel) {
        Floats sum[2][parts] = {};
        std::size_t i = 0;
        for (; i + 2 <= n_rows; i += 2)
            MAURY_UNROLL for (std::size_t j = 0; j < 2; ++j)
                MAURY_UNROLL for (std::size_t u = 0; u < parts; ++u) sum[j][u] +=
                load<Floats>(rows[i + j] + k + u * n_floats) * v[i + j];
        if (i < n_rows)
            MAURY_UNROLL for (std::size_t u = 0; u < parts; ++u) sum[0][u] +=
                load<Floats>(rows[i] + k + u * n_floats) * v[i];
        MAURY_UNROLL for (std::size_t u = 0; u < parts; ++u)
            store(out + k + u * n_floats, sum[0][u] + sum[1][u]);
    }
}

} // namespace
} // namespace maury::simd

// Eight columns side by side: derivatives of a model, a row of eight for each pixel.
#pragma once

#include "kernels.hpp"
#include "vector.hpp"

namespace maury::simd {
namespace {

constexpr std::size_t double_parts = eight / n_doubles;

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

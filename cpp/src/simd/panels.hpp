// Eight columns side by side: derivatives of a model, a row of eight for each pixel.
#pragma once

#include "kernels.hpp"
#include "rows.hpp"
#include "vector.hpp"

namespace maury::simd {
namespace {

constexpr std::size_t double_parts = eight / n_doubles;

// out (8, 8) += sum_p w_p a_p b_p', as many of the rows at a time as registers hold.
void normal_eight(const double* a, const double* b, const double* w, std::size_t n_pixels, double* out) {
    constexpr std::size_t part = eight * double_parts <= n_sums ? eight : eight / 2;
    for (std::size_t first = 0; first < eight; first += part) {
        Doubles sum[part][double_parts] = {};
        for (std::size_t p = 0; p < n_pixels; ++p) {
            const double* row = a + p * eight + first;
            Doubles weighted[double_parts];
            MAURY_UNROLL for (std::size_t v = 0; v < double_parts; ++v) weighted[v] =
                load<Doubles>(b + p * eight + v * n_doubles) * w[p];
            MAURY_UNROLL for (std::size_t i = 0; i < part; ++i)
                MAURY_UNROLL for (std::size_t v = 0; v < double_parts; ++v) sum[i][v] += weighted[v] * row[i];
        }
        MAURY_UNROLL for (std::size_t i = 0; i < part; ++i)
            MAURY_UNROLL for (std::size_t v = 0; v < double_parts; ++v) {
            double* to = out + (first + i) * eight + v * n_doubles;
            store(to, load<Doubles>(to) + sum[i][v]);
        }
    }
}

// out (8,) = sum_p v_p a_p
void sum_of_eights(const double* a, const double* v, std::size_t n_pixels, double* out) {
    constexpr std::size_t U = 4;
    Doubles sum[U][double_parts] = {};
    std::size_t p = 0;
    for (; p + U <= n_pixels; p += U)
        MAURY_UNROLL for (std::size_t u = 0; u < U; ++u)
            MAURY_UNROLL for (std::size_t i = 0; i < double_parts; ++i) sum[u][i] +=
            load<Doubles>(a + (p + u) * eight + i * n_doubles) * v[p + u];
    for (; p < n_pixels; ++p)
        MAURY_UNROLL for (std::size_t i = 0; i < double_parts; ++i) sum[0][i] +=
            load<Doubles>(a + p * eight + i * n_doubles) * v[p];
    MAURY_UNROLL for (std::size_t i = 0; i < double_parts; ++i)
        store(out + i * n_doubles, (sum[0][i] + sum[1][i]) + (sum[2][i] + sum[3][i]));
}

// out (n_pixels,) += a_p . z
void add_eights(const double* a, const double* z, std::size_t n_pixels, double* out) {
    Doubles factor[double_parts];
    MAURY_UNROLL for (std::size_t i = 0; i < double_parts; ++i) factor[i] = load<Doubles>(z + i * n_doubles);
    const auto product = [&](std::size_t p) {
        Doubles sum = load<Doubles>(a + p * eight) * factor[0];
        MAURY_UNROLL for (std::size_t i = 1; i < double_parts; ++i) sum +=
            load<Doubles>(a + p * eight + i * n_doubles) * factor[i];
        return sum;
    };
    std::size_t p = 0;
    for (; p + n_doubles <= n_pixels; p += n_doubles) {
        Doubles each[n_doubles];
        MAURY_UNROLL for (std::size_t q = 0; q < n_doubles; ++q) each[q] = product(p + q);
        store(out + p, load<Doubles>(out + p) + sums_of<n_doubles>(each));
    }
    for (; p < n_pixels; ++p)
        out[p] += sum_of(product(p));
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

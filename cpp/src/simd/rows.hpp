// Pixels from coefficients, in double.
#pragma once

#include "vector.hpp"

#include <utility>

namespace maury::simd {
namespace {

// Two vectors of groups of g numbers -> one of twice as many groups of half the length, in order; each new
// number is the sum of a number in the first half of its group and of one in the second.
template <std::size_t g, typename Vector, std::size_t... i>
Vector fold(Vector x, Vector y, std::index_sequence<i...>) {
    constexpr std::size_t lanes = sizeof...(i), half = lanes / 2, h = g / 2;
    return __builtin_shufflevector(x, y, (i / half * lanes + i % half / h * g + i % half % h)...) +
           __builtin_shufflevector(x, y, (i / half * lanes + i % half / h * g + i % half % h + h)...);
}

// The sum of each of n vectors, as one vector.
template <std::size_t n, std::size_t lanes = n, typename Vector> Vector sums_of(const Vector* v) {
    if constexpr (n == 1)
        return *v;
    else
        return fold<2 * lanes / n>(sums_of<n / 2, lanes>(v), sums_of<n / 2, lanes>(v + n / 2),
                                   std::make_index_sequence<lanes>());
}

// As many pixels as a vector holds, C columns.
template <std::size_t C>
void expand_tile(const float* rows, std::size_t stride, const double* columns, const double* bias,
                 double* out, std::size_t out_stride) {
    constexpr std::size_t U = n_doubles * C < 8 ? 2 : 1;
    Doubles sum[U][C][n_doubles];
    MAURY_UNROLL for (std::size_t u = 0; u < U; ++u) MAURY_UNROLL for (std::size_t c = 0; c < C; ++c)
        MAURY_UNROLL for (std::size_t p = 0; p < n_doubles; ++p) sum[u][c][p] = Doubles{};
    for (std::size_t k = 0; k < stride; k += U * n_doubles)
        MAURY_UNROLL for (std::size_t u = 0; u < U; ++u) {
            Doubles column[C];
            MAURY_UNROLL for (std::size_t c = 0; c < C; ++c) column[c] =
                load<Doubles>(columns + c * stride + k + u * n_doubles);
            MAURY_UNROLL for (std::size_t p = 0; p < n_doubles; ++p) {
                const Doubles row = load_floats<Doubles>(rows + p * stride + k + u * n_doubles);
                MAURY_UNROLL for (std::size_t c = 0; c < C; ++c) sum[u][c][p] += row * column[c];
            }
        }
    MAURY_UNROLL for (std::size_t c = 0; c < C; ++c) {
        MAURY_UNROLL for (std::size_t u = 1; u < U; ++u)
            MAURY_UNROLL for (std::size_t p = 0; p < n_doubles; ++p) sum[0][c][p] += sum[u][c][p];
        const Doubles total = sums_of<n_doubles>(sum[0][c]);
        store(out + c * out_stride, bias ? total + load<Doubles>(bias) : total);
    }
}

double row_times(const float* row, std::size_t stride, const double* column) {
    Doubles sum{};
    for (std::size_t k = 0; k < stride; k += n_doubles)
        sum += load_floats<Doubles>(row + k) * load<Doubles>(column + k);
    return sum_of(sum);
}

template <std::size_t C>
void expand_tile_of(std::size_t n_columns, const float* rows, std::size_t stride, const double* columns,
                    const double* bias, double* out, std::size_t out_stride) {
    if constexpr (C > 1)
        if (n_columns < C)
            return expand_tile_of<C - 1>(n_columns, rows, stride, columns, bias, out, out_stride);
    expand_tile<C>(rows, stride, columns, bias, out, out_stride);
}

void expand(const float* rows, std::size_t stride, std::size_t n_pixels, const double* columns,
            std::size_t n_columns, const double* bias, double* out, std::size_t out_stride) {
    constexpr std::size_t most = n_sums / n_doubles < 6 ? n_sums / n_doubles : 6;
    std::size_t p = 0;
    for (; p + n_doubles <= n_pixels; p += n_doubles)
        for (std::size_t c = 0; c < n_columns; c += most)
            expand_tile_of<most>(n_columns - c < most ? n_columns - c : most, rows + p * stride, stride,
                                 columns + c * stride, bias ? bias + p : nullptr, out + c * out_stride + p,
                                 out_stride);
    for (; p < n_pixels; ++p)
        for (std::size_t c = 0; c < n_columns; ++c)
            out[c * out_stride + p] =
                row_times(rows + p * stride, stride, columns + c * stride) + (bias ? bias[p] : 0.0);
}

} // namespace
} // namespace maury::simd

// A layer times a few columns. Weights are float32, packed in panels; sums are in the type of the columns.
#pragma once

#include "kernels.hpp"
#include "vector.hpp"

namespace maury::simd {
namespace {

template <typename Vector> struct Columns;
template <> struct Columns<Floats> {
    using Number = float;
    static constexpr std::size_t lanes = n_floats;
};
template <> struct Columns<Doubles> {
    using Number = double;
    static constexpr std::size_t lanes = n_doubles;
};

// Rows of a panel that are summed at once, and the columns that go with them: as many as registers hold.
template <typename Vector> struct Tile {
    static constexpr std::size_t lanes = Columns<Vector>::lanes, all = panel / lanes;
    static constexpr std::size_t vectors = all < 2 ? all : 2;
    static constexpr std::size_t columns = n_sums / vectors < 8 ? n_sums / vectors : 8;
};

// C columns of one tile. With few columns several sums run side by side, so that none waits for the last.
template <typename Vector, std::size_t C>
void affine_tile(const float* packed, const typename Columns<Vector>::Number* bias, std::size_t n_rows,
                 std::size_t n_in, const typename Columns<Vector>::Number* in, std::size_t in_stride,
                 typename Columns<Vector>::Number* out, std::size_t out_stride) {
    using Number = typename Columns<Vector>::Number;
    constexpr std::size_t V = Tile<Vector>::vectors, lanes = Tile<Vector>::lanes;
    constexpr std::size_t U = (8 + V * C - 1) / (V * C);
    Vector sum[U][C][V];
    MAURY_UNROLL for (std::size_t u = 0; u < U; ++u) MAURY_UNROLL for (std::size_t c = 0; c < C; ++c)
        MAURY_UNROLL for (std::size_t v = 0; v < V; ++v) sum[u][c][v] = Vector{};
    std::size_t k = 0;
    for (; k + U <= n_in; k += U)
        MAURY_UNROLL for (std::size_t u = 0; u < U; ++u) {
            Vector row[V];
            MAURY_UNROLL for (std::size_t v = 0; v < V; ++v) row[v] =
                load_floats<Vector>(packed + (k + u) * panel + v * lanes);
            MAURY_UNROLL for (std::size_t c = 0; c < C; ++c) {
                const Number x = in[c * in_stride + k + u];
                MAURY_UNROLL for (std::size_t v = 0; v < V; ++v) sum[u][c][v] += row[v] * x;
            }
        }
    for (; k < n_in; ++k)
        MAURY_UNROLL for (std::size_t c = 0; c < C; ++c) {
            const Number x = in[c * in_stride + k];
            MAURY_UNROLL for (std::size_t v = 0; v < V; ++v) sum[0][c][v] +=
                load_floats<Vector>(packed + k * panel + v * lanes) * x;
        }
    MAURY_UNROLL for (std::size_t c = 0; c < C; ++c) MAURY_UNROLL for (std::size_t v = 0; v < V; ++v) {
        MAURY_UNROLL for (std::size_t u = 1; u < U; ++u) sum[0][c][v] += sum[u][c][v];
        Number part[lanes];
        store(part, sum[0][c][v]);
        for (std::size_t i = 0; i < lanes && v * lanes + i < n_rows; ++i)
            out[c * out_stride + v * lanes + i] = part[i] + (bias ? bias[v * lanes + i] : Number{0});
    }
}

// The last 1 ... C columns.
template <typename Vector, std::size_t C>
void affine_tile_of(std::size_t n_columns, const float* packed, const typename Columns<Vector>::Number* bias,
                    std::size_t n_rows, std::size_t n_in, const typename Columns<Vector>::Number* in,
                    std::size_t in_stride, typename Columns<Vector>::Number* out, std::size_t out_stride) {
    if constexpr (C > 1)
        if (n_columns < C)
            return affine_tile_of<Vector, C - 1>(n_columns, packed, bias, n_rows, n_in, in, in_stride, out,
                                                 out_stride);
    affine_tile<Vector, C>(packed, bias, n_rows, n_in, in, in_stride, out, out_stride);
}

template <typename Vector>
void affine(const float* packed, const typename Columns<Vector>::Number* bias, std::size_t n_out,
            std::size_t n_in, const typename Columns<Vector>::Number* in, std::size_t in_stride,
            std::size_t n_columns, typename Columns<Vector>::Number* out, std::size_t out_stride) {
    constexpr std::size_t most = Tile<Vector>::columns, n_rows = Tile<Vector>::vectors * Tile<Vector>::lanes;
    for (std::size_t row = 0; row < n_out; row += n_rows) // a panel stays in the cache for all its columns
        for (std::size_t c = 0; c < n_columns; c += most)
            affine_tile_of<Vector, most>(
                n_columns - c < most ? n_columns - c : most,
                packed + row / panel * panel * n_in + row % panel, bias ? bias + row : nullptr,
                n_out - row < n_rows ? n_out - row : n_rows, n_in, in + c * in_stride, in_stride,
                out + c * out_stride + row, out_stride);
}

} // namespace
} // namespace maury::simd

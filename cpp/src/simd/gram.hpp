// The weighted Gram matrix of the basis: float32 products, sums over a block in float32, of blocks in double.
#pragma once

#include "kernels.hpp"
#include "vector.hpp"

namespace maury::simd {
namespace {

// out += sum_p row_p[r] column_p[c] for R numbers r and C vectors of c, all sums in registers.
template <std::size_t R, std::size_t C>
void gram_tile(const float* rows, const float* columns, std::size_t stride, std::size_t n_pixels,
               double* out) {
    Floats sum[R][C];
    MAURY_UNROLL for (std::size_t r = 0; r < R; ++r) MAURY_UNROLL for (std::size_t c = 0; c < C; ++c)
        sum[r][c] = Floats{};
    const float *row = rows, *column = columns;
    for (std::size_t p = 0; p < n_pixels; ++p, row += stride, column += stride) {
        Floats b[C];
        MAURY_UNROLL for (std::size_t c = 0; c < C; ++c) b[c] = load<Floats>(column + c * n_floats);
        MAURY_UNROLL for (std::size_t r = 0; r < R; ++r) {
            const float a = row[r];
            MAURY_UNROLL for (std::size_t c = 0; c < C; ++c) sum[r][c] += b[c] * a;
        }
    }
    float part[C * n_floats];
    MAURY_UNROLL for (std::size_t r = 0; r < R; ++r) {
        MAURY_UNROLL for (std::size_t c = 0; c < C; ++c) store(part + c * n_floats, sum[r][c]);
        MAURY_UNROLL for (std::size_t i = 0; i < C * n_floats; i += n_doubles) {
            double* place = out + r * stride + i;
            store(place, load<Doubles>(place) + load_floats<Doubles>(part + i));
        }
    }
}

// The upper triangle, in whole vectors: out (n, stride) += x'x of a block x (n_pixels, stride).
void gram_of_block(const float* x, std::size_t stride, std::size_t n_pixels, std::size_t n_columns,
                   double* out) {
    constexpr std::size_t part = n_sums / 3 < n_floats ? n_sums / 3 : n_floats; // rows of a tile of 3 vectors
    for (std::size_t first = 0; first < n_columns; first += n_floats) {
        const std::size_t n_vectors = (n_columns - first + n_floats - 1) / n_floats;
        for (std::size_t v = 0, n; v < n_vectors; v += n) {
            const std::size_t left = n_vectors - v;
            n = left == 4 ? 2 : left < 3 ? left : 3; // never 3 and 1
            const float* columns = x + first + v * n_floats;
            double* place = out + first * stride + first + v * n_floats;
            if (n == 1)
                gram_tile<n_floats, 1>(x + first, columns, stride, n_pixels, place);
            for (std::size_t r = 0; n > 1 && r < n_floats; r += part)
                (n == 2 ? gram_tile<part, 2> : gram_tile<part, 3>)(x + first + r, columns, stride, n_pixels,
                                                                   place + r * stride);
        }
    }
}

// x = root_p b_p and inner = sum_p x_p root_p r_p for the pixels of a block, V vectors of numbers at a time
template <std::size_t V>
void scale_columns(const float* rows, std::size_t stride, std::size_t n_pixels, const float* root,
                   const float* r, float* x, float* inner) {
    Floats sum[V];
    MAURY_UNROLL for (std::size_t v = 0; v < V; ++v) sum[v] = Floats{};
    for (std::size_t p = 0; p < n_pixels; ++p, rows += stride, x += stride) {
        const float scale = root[p], residual = root[p] * r[p];
        MAURY_UNROLL for (std::size_t v = 0; v < V; ++v) {
            const Floats scaled = load<Floats>(rows + v * n_floats) * scale;
            store(x + v * n_floats, scaled);
            sum[v] += scaled * residual;
        }
    }
    MAURY_UNROLL for (std::size_t v = 0; v < V; ++v) store(inner + v * n_floats, sum[v]);
}

void scale_block(const float* rows, std::size_t stride, std::size_t n_pixels, const float* root,
                 const float* r, float* x, float* inner) {
    constexpr std::size_t all = panel / n_floats; // vectors of a panel
    std::size_t k = 0;
    for (; k + 4 * panel <= stride && 4 * all <= n_sums; k += 4 * panel)
        scale_columns<4 * all>(rows + k, stride, n_pixels, root, r, x + k, inner + k);
    for (; k < stride; k += panel)
        scale_columns<all>(rows + k, stride, n_pixels, root, r, x + k, inner + k);
}

void gram(const float* rows, std::size_t n_pixels, std::size_t n_columns, const float* root, const float* r,
          double* gram, double* inner, float* scratch) {
    const std::size_t stride = padded(n_columns), block = gram_block(n_columns);
    float* const x = scratch;
    float* const inner_of_block = scratch + block * stride;
    for (std::size_t i = 0; i < stride * stride; ++i)
        gram[i] = 0.0;
    for (std::size_t i = 0; i < stride; ++i)
        inner[i] = 0.0;
    for (std::size_t first = 0; first < n_pixels; first += block) {
        const std::size_t n = n_pixels - first < block ? n_pixels - first : block;
        scale_block(rows + first * stride, stride, n, root + first, r + first, x, inner_of_block);
        for (std::size_t i = 0; i < stride; ++i)
            inner[i] += static_cast<double>(inner_of_block[i]);
        gram_of_block(x, stride, n, n_columns, gram);
    }
    for (std::size_t i = 0; i < n_columns; ++i)
        for (std::size_t j = 0; j < i; ++j)
            gram[i * stride + j] = gram[j * stride + i];
}

// V vectors of numbers at a time, n_pixels of a block
template <std::size_t V>
void add_rows(const float* rows, std::size_t stride, std::size_t n_pixels, const float* v, double* out) {
    Floats sum[V];
    MAURY_UNROLL for (std::size_t i = 0; i < V; ++i) sum[i] = Floats{};
    for (std::size_t p = 0; p < n_pixels; ++p, rows += stride)
        MAURY_UNROLL for (std::size_t i = 0; i < V; ++i) sum[i] += load<Floats>(rows + i * n_floats) * v[p];
    float part[V * n_floats];
    MAURY_UNROLL for (std::size_t i = 0; i < V; ++i) store(part + i * n_floats, sum[i]);
    MAURY_UNROLL for (std::size_t i = 0; i < V * n_floats; i += n_doubles)
        store(out + i, load<Doubles>(out + i) + load_floats<Doubles>(part + i));
}

// Of the absolute values; above 0.
double largest_of(const double* v, std::size_t n) {
    Doubles most = Doubles{} + 1e-300;
    std::size_t p = 0;
    for (; p + n_doubles <= n; p += n_doubles) {
        const Doubles here = load<Doubles>(v + p), size = here < Doubles{} ? -here : here;
        most = size > most ? size : most;
    }
    double largest = 1e-300;
    for (std::size_t i = 0; i < n_doubles; ++i)
        largest = most[i] > largest ? most[i] : largest;
    for (; p < n; ++p)
        largest = v[p] > largest ? v[p] : -v[p] > largest ? -v[p] : largest;
    return largest;
}

void weighted_rows(const float* rows, std::size_t n_pixels, std::size_t stride, const double* v,
                   double* out) {
    constexpr std::size_t all = panel / n_floats, block = 128;
    const double largest = largest_of(v, n_pixels); // float32 has a small range
    float part[block];
    for (std::size_t k = 0; k < stride; ++k)
        out[k] = 0.0;
    for (std::size_t first = 0; first < n_pixels; first += block) {
        const std::size_t n = n_pixels - first < block ? n_pixels - first : block;
        const float* from = rows + first * stride;
        for (std::size_t p = 0; p < n; ++p)
            part[p] = static_cast<float>(v[first + p] / largest);
        std::size_t k = 0;
        for (; k + 4 * panel <= stride && 4 * all <= n_sums; k += 4 * panel)
            add_rows<4 * all>(from + k, stride, n, part, out + k);
        for (; k < stride; k += panel)
            add_rows<all>(from + k, stride, n, part, out + k);
    }
    for (std::size_t k = 0; k < stride; ++k)
        out[k] *= largest;
}

} // namespace
} // namespace maury::simd

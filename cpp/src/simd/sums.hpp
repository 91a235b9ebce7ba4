// Weighted sums over pixels and quadratic forms.
#pragma once

#include "kernels.hpp"
#include "vector.hpp"

namespace maury::simd {
namespace {

template <typename Vector> Vector load_as(const float* from) { return load_floats<Vector>(from); }
template <typename Vector> Vector load_as(const double* from) { return load<Vector>(from); }

// Neighbours first.
template <std::size_t U, typename Vector> Vector sum_of_vectors(Vector (&sum)[U]) {
    for (std::size_t width = U / 2; width > 0; width /= 2)
        for (std::size_t i = 0; i < width; ++i)
            sum[i] = sum[2 * i] + sum[2 * i + 1];
    return sum[0];
}

// In U sums, each as wide as a vector of B.
template <std::size_t U, typename Vector, typename A, typename B>
B dot_of(const A* a, const B* b, std::size_t n) {
    constexpr std::size_t width = sizeof(Vector) / sizeof(B);
    Vector sum[U] = {};
    std::size_t p = 0;
    for (; p + U * width <= n; p += U * width)
        MAURY_UNROLL for (std::size_t i = 0; i < U; ++i) sum[i] +=
            load_as<Vector>(a + p + i * width) * load_as<Vector>(b + p + i * width);
    B rest = 0;
    for (; p < n; ++p)
        rest += static_cast<B>(a[p]) * b[p];
    return sum_of(sum_of_vectors(sum)) + rest;
}

double dot(const double* a, const double* b, std::size_t n) { return dot_of<4, Doubles>(a, b, n); }
double dot_mixed(const float* a, const double* b, std::size_t n) { return dot_of<2, Doubles>(a, b, n); }
float dot_single(const float* a, const float* b, std::size_t n) { return dot_of<4, Floats>(a, b, n); }

// C lags at a time, as many as are left.
template <std::size_t C>
void lags_of(std::size_t n_lags, const float* half_w, const float* d, std::size_t n, const float* templates,
             std::ptrdiff_t step, float* out) {
    if constexpr (C > 1)
        if (n_lags < C)
            return lags_of<C - 1>(n_lags, half_w, d, n, templates, step, out);
    Floats sum[C] = {};
    std::size_t p = 0;
    for (; p + n_floats <= n; p += n_floats) {
        const Floats weight = load<Floats>(half_w + p), product = load<Floats>(d + p);
        MAURY_UNROLL for (std::size_t c = 0; c < C; ++c) {
            const Floats t = load<Floats>(templates + p - static_cast<std::ptrdiff_t>(c) * step);
            sum[c] += t * (t * weight - product);
        }
    }
    for (std::size_t c = 0; c < C; ++c) {
        out[c] = sum_of(sum[c]);
        for (std::size_t q = p; q < n; ++q) {
            const float t = (templates - static_cast<std::ptrdiff_t>(c) * step)[q];
            out[c] += t * (t * half_w[q] - d[q]);
        }
    }
}

void lags(const float* half_w, const float* d, std::size_t n, const float* templates, std::ptrdiff_t step,
          std::size_t n_lags, float* out) {
    constexpr std::size_t most = 6;
    for (std::size_t i = 0; i < n_lags; i += most)
        lags_of<most>(n_lags - i, half_w, d, n, templates - static_cast<std::ptrdiff_t>(i) * step, step,
                      out + i);
}

double weighted_square(const double* w, const double* a, const double* b, std::size_t n) {
    Doubles sum[4] = {};
    std::size_t p = 0;
    for (; p + 4 * n_doubles <= n; p += 4 * n_doubles)
        MAURY_UNROLL for (std::size_t i = 0; i < 4; ++i) {
            const std::size_t q = p + i * n_doubles;
            const Doubles difference = load<Doubles>(a + q) - load<Doubles>(b + q);
            sum[i] += load<Doubles>(w + q) * difference * difference;
        }
    double rest = 0.0;
    for (; p < n; ++p)
        rest += w[p] * (a[p] - b[p]) * (a[p] - b[p]);
    return sum_of((sum[0] + sum[1]) + (sum[2] + sum[3])) + rest;
}

void least_of_panels(const float* y, std::size_t n_panels, std::size_t n, const float* q_matrix,
                     const float* q, float* least, std::uint32_t* which) {
    constexpr std::size_t V = panel / n_floats;
    for (std::size_t m = 0; m < n_panels; ++m, y += n * panel) {
        Floats total[V] = {};
        for (std::size_t i = 0; i < n; ++i) {
            Floats sum[V];
            MAURY_UNROLL for (std::size_t v = 0; v < V; ++v) sum[v] =
                load<Floats>(y + i * panel + v * n_floats) * q_matrix[i * n + i] - 2.0f * q[i];
            for (std::size_t j = 0; j < i; ++j) {
                const float twice = 2.0f * q_matrix[i * n + j];
                MAURY_UNROLL for (std::size_t v = 0; v < V; ++v) sum[v] +=
                    load<Floats>(y + j * panel + v * n_floats) * twice;
            }
            MAURY_UNROLL for (std::size_t v = 0; v < V; ++v) total[v] +=
                sum[v] * load<Floats>(y + i * panel + v * n_floats);
        }
        float value[panel];
        MAURY_UNROLL for (std::size_t v = 0; v < V; ++v) store(value + v * n_floats, total[v]);
        std::uint32_t best = 0;
        for (std::uint32_t i = 1; i < panel; ++i)
            best = value[i] < value[best] ? i : best;
        least[m] = value[best];
        which[m] = best;
    }
}

} // namespace
} // namespace maury::simd

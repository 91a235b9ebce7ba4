#include "kernels.hpp"

#include <algorithm>

namespace maury::simd {
namespace {

// Pixels at a time: the basis and its weighted copy stay in the second-level cache for all pairs of tiles.
constexpr std::size_t block = 64;
constexpr std::size_t half_panel = panel / 2;

// A x C sums of one pair of tiles, in registers.
template <std::size_t A, std::size_t C>
void tile_product(const double* left, const double* right, std::size_t n, double* out, std::size_t stride) {
    double sum[A][C] = {};
    for (std::size_t p = 0; p < n; ++p, left += panel, right += panel)
        for (std::size_t a = 0; a < A; ++a)
            for (std::size_t c = 0; c < C; ++c)
                sum[a][c] += left[a] * right[c];
    for (std::size_t a = 0; a < A; ++a)
        for (std::size_t c = 0; c < C; ++c)
            out[a * stride + c] += sum[a][c];
}

} // namespace

std::size_t gram_scratch(std::size_t n_columns) { return block * (padded(n_columns) + 1); }

void gram(const double* basis, std::size_t n_pixels, std::size_t n_columns, const double* w, const double* r,
          double* gram, double* inner, double* scratch) {
    const std::size_t stride = padded(n_columns), n_tiles = stride / panel;
    double* weighted_residual = scratch + block * stride;
    for (std::size_t first = 0; first < n_pixels; first += block) {
        const std::size_t n = std::min(block, n_pixels - first);
        for (std::size_t p = 0; p < n; ++p)
            weighted_residual[p] = w[first + p] * r[first + p];
        for (std::size_t t = 0; t < n_tiles; ++t) {
            const double* tile = basis + (t * n_pixels + first) * panel;
            double* weighted = scratch + t * block * panel;
            double sum[panel] = {};
            for (std::size_t p = 0; p < n; ++p)
                for (std::size_t k = 0; k < panel; ++k) {
                    weighted[p * panel + k] = w[first + p] * tile[p * panel + k];
                    sum[k] += weighted_residual[p] * tile[p * panel + k];
                }
            for (std::size_t k = 0; k < panel; ++k)
                inner[t * panel + k] += sum[k];
        }
        for (std::size_t s = 0; s < n_tiles; ++s)
            for (std::size_t t = s; t < n_tiles; ++t)
                for (std::size_t a = 0; a < panel; a += half_panel)
                    for (std::size_t c = 0; c < panel; c += half_panel)
                        tile_product<half_panel, half_panel>(
                            scratch + s * block * panel + a, basis + (t * n_pixels + first) * panel + c, n,
                            gram + (s * panel + a) * stride + t * panel + c, stride);
    }
}

} // namespace maury::simd

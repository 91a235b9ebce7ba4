// E[max(z + n, 0)^3] with n a normal deviate, and its derivatives by z.
#pragma once

#include "kernels.hpp"
#include "vector.hpp"

namespace maury::simd {
namespace {

// Even and odd powers apart: half the wait for one product after the other.
Doubles of_power(const double* power, Doubles s) {
    static_assert(CubeTails::n % 2 == 1, "the highest power is even");
    const Doubles square = s * s;
    Doubles even = square * power[CubeTails::n - 1] + power[CubeTails::n - 3];
    Doubles odd = square * power[CubeTails::n - 2] + power[CubeTails::n - 4];
    MAURY_UNROLL for (std::size_t i = CubeTails::n - 5; i >= 2; i -= 2) {
        even = even * square + power[i];
        odd = odd * square + power[i - 1];
    }
    return odd * s + (even * square + power[0]);
}

// t(z) - t(-z) = z^3 + 3 z, t'(z) + t'(-z) = 3 (z^2 + 1), t''(z) - t''(-z) = 6 z, t'''(z) + t'''(-z) = 6
template <int n_derivatives>
void blurred_cubes_of(const CubeTails& tails, double first, double step, std::size_t n, double* out,
                      std::size_t stride) {
    const Doubles zero{}, one = zero + 1.0;
    Doubles z;
    for (std::size_t i = 0; i < n_doubles; ++i)
        z[i] = first - static_cast<double>(i) * step;
    for (std::size_t k = 0; k < n; k += n_doubles, z -= step * n_doubles) {
        const Doubles a = z < zero ? -z : z, s = a * (2.0 / CubeTails::end) - 1.0;
        const Doubles inside = s < one ? s : one, positive = z > zero ? z : zero;
        store(out + k, of_power(tails.power[0], inside) + positive * (positive * positive + 3.0));
        if constexpr (n_derivatives > 0) {
            const Doubles tail = of_power(tails.power[1], inside);
            store(out + stride + k, z > zero ? 3.0 * (z * z + 1.0) - tail : tail);
        }
        if constexpr (n_derivatives > 1)
            store(out + 2 * stride + k, of_power(tails.power[2], inside) + 6.0 * positive);
        if constexpr (n_derivatives > 2) {
            const Doubles tail = of_power(tails.power[3], inside);
            store(out + 3 * stride + k, z > zero ? 6.0 - tail : tail);
        }
    }
}

void blurred_cubes(const CubeTails& tails, double first, double step, std::size_t n, int n_derivatives,
                   double* out, std::size_t stride) {
    const auto of = n_derivatives == 0   ? blurred_cubes_of<0>
                    : n_derivatives == 1 ? blurred_cubes_of<1>
                    : n_derivatives == 2 ? blurred_cubes_of<2>
                                         : blurred_cubes_of<3>;
    of(tails, first, step, n, out, stride);
}

} // namespace
} // namespace maury::simd

#include "blurred_step.hpp"

#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>

namespace maury {
namespace {

// With n a normal deviate, t(z) = E[max(z + n, 0)^3] = (z^3 + 3 z) Phi(z) + (z^2 + 2) phi(z). S is the third
// difference, in steps of 1, of sigma^3 t(x / sigma) / 6: without blur that of max(x, 0)^3 / 6. The other
// side follows from t(z) - t(-z) = z^3 + 3 z, so t, t' and t'' are needed for z = -a < 0 alone; there they
// are polynomials to 1e-9.
double tail(int derivative, double a) {
    const double density = std::exp(-0.5 * a * a) * 0.398942280401432678,
                 below = 0.5 * std::erfc(a * 0.707106781186547524);
    return derivative == 0   ? (a * a + 2.0) * density - (a * a * a + 3.0 * a) * below
           : derivative == 1 ? 3.0 * ((a * a + 1.0) * below - a * density)
                             : 6.0 * (density - a * below);
}

struct Table {
    simd::CubeTails tails;

    // Interpolation at the Chebyshev nodes, turned into powers of s = 2 a / tail_end - 1.
    Table() {
        constexpr std::size_t n = simd::CubeTails::n;
        const double pi = 3.141592653589793238;
        for (int d = 0; d < 3; ++d) {
            double chebyshev[n] = {}, before[n] = {1.0}, now[n] = {0.0, 1.0}, *power = tails.power[d];
            for (std::size_t k = 0; k < n; ++k)
                for (std::size_t i = 0; i < n; ++i) {
                    const double angle = pi * (static_cast<double>(i) + 0.5) / n;
                    chebyshev[k] += tail(d, 0.5 * (std::cos(angle) + 1.0) * simd::CubeTails::end) *
                                    std::cos(static_cast<double>(k) * angle) * (k == 0 ? 1.0 : 2.0) / n;
                }
            std::fill_n(power, n, 0.0);
            for (std::size_t k = 0; k < n; ++k) { // T_{k+1} = 2 s T_k - T_{k-1}
                for (std::size_t i = 0; i < n; ++i)
                    power[i] += chebyshev[k] * before[i];
                double next[n];
                for (std::size_t i = 0; i < n; ++i)
                    next[i] = (i > 0 ? 2.0 * now[i - 1] : 0.0) - before[i];
                std::copy_n(now, n, before);
                std::copy_n(next, n, now);
            }
        }
    }
};

// (n + 3,) -> (n,)
void third_difference(const double* t, std::size_t n, double scale, double* out) {
    for (std::size_t k = 0; k < n; ++k)
        out[k] = scale * ((t[k] - t[k + 3]) - 3.0 * (t[k + 1] - t[k + 2]));
}

constexpr double least_sigma = 1e-5; // narrower counts as this; no pixel knows

} // namespace

void BlurredStep::set(double first, std::size_t n, double sigma, int n_derivatives) {
    static const Table table;
    sigma = std::max(sigma, least_sigma);
    const std::size_t stride = simd::padded(n + 3);
    if (step.size() < n) {
        for (auto* values : {&step, &slope, &curvature})
            values->resize(n);
        cubes.resize(3 * stride);
    }
    simd::kernels().blurred_cubes(table.tails, (first + 1.5) / sigma, 1.0 / sigma, n + 3, n_derivatives,
                                  cubes.data(), stride);
    third_difference(cubes.data(), n, sigma * sigma * sigma / 6.0, step.data());
    if (n_derivatives > 0)
        third_difference(&cubes[stride], n, sigma * sigma / 6.0, slope.data());
    if (n_derivatives > 1)
        third_difference(&cubes[2 * stride], n, sigma / 6.0, curvature.data());
}

} // namespace maury

#include "blurred_step.hpp"

#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>

namespace maury {
namespace {

// With n a normal deviate, t(z) = E[max(z + n, 0)^3] = (z^3 + 3 z) Phi(z) + (z^2 + 2) phi(z). S is the third
// difference, in steps of 1, of sigma^3 t(x / sigma) / 6: without blur that of max(x, 0)^3 / 6. The other
// side follows from t(z) - t(-z) = z^3 + 3 z, so t and its derivatives are needed for z = -a < 0 alone; there
// they are polynomials to 1e-10. They end where S does: a step there would make a constant none.
double density(double z) { return std::exp(-0.5 * z * z) * 0.398942280401432678; }

double tail(int derivative, double a) {
    const double below = 0.5 * std::erfc(a * 0.707106781186547524);
    return derivative == 0   ? (a * a + 2.0) * density(a) - (a * a * a + 3.0 * a) * below
           : derivative == 1 ? 3.0 * ((a * a + 1.0) * below - a * density(a))
           : derivative == 2 ? 6.0 * (density(a) - a * below)
                             : 6.0 * below;
}

struct Table {
    simd::CubeTails tails;

    // Interpolation at the Chebyshev nodes, turned into powers of s = 2 a / tail_end - 1.
    Table() {
        constexpr std::size_t n = simd::CubeTails::n;
        const double pi = 3.141592653589793238;
        for (int d = 0; d < 4; ++d) {
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

void BlurredStep::make_room(std::size_t n) {
    if (n <= values_[0].size())
        return;
    n = std::max<std::size_t>(64, 2 * n); // for the next as well
    for (auto& values : values_)
        values.resize(n);
    cubes_.resize((1 + most) * simd::padded(n + 3));
}

void BlurredStep::set(double first, std::size_t n, double sigma, int n_derivatives) {
    static const Table table;
    sigma = std::max(sigma, least_sigma);
    const std::size_t stride = simd::padded(n + 3);
    make_room(n);
    const double z = (first + 1.5) / sigma, step = 1.0 / sigma;
    simd::kernels().blurred_cubes(table.tails, z, step, n + 3, std::min(n_derivatives, 3), cubes_.data(),
                                  stride);
    if (n_derivatives > 3) // t'''' = 6 phi and its derivative
        for (std::size_t k = 0; k < n + 3; ++k) {
            const double here = z - static_cast<double>(k) * step;
            cubes_[4 * stride + k] = 6.0 * density(here);
            cubes_[5 * stride + k] = -here * cubes_[4 * stride + k];
        }
    double scale = sigma * sigma * sigma / 6.0;
    for (int d = 0; d <= n_derivatives; ++d, scale /= sigma)
        third_difference(&cubes_[static_cast<std::size_t>(d) * stride], n, scale, values_[d].data());
}

} // namespace maury

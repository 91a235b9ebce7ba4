// The integral of a quadratic B-spline blurred by a Gaussian, and its derivatives.
#pragma once

#include <cstddef>
#include <vector>

namespace maury {

constexpr double blur_reach = 4.5; // in sigma: less than 4e-8 sigma^3 of S lies farther out

// S(x) = int_-inf^x (G * B)(u) du, with B the quadratic B-spline and G the Gaussian of sigma; S is 0 below
// -1.5 - blur_reach sigma and 1 above 1.5 + blur_reach sigma. Right to 1e-9 max(1, sigma^3).
struct BlurredStep {
    std::vector<double> step, slope, curvature; // S, S' = G * B, S'', at x = first, first - 1, ...
    std::vector<double> cubes;

    // n_derivatives 1: slope too; 2: and curvature
    void set(double first, std::size_t n, double sigma, int n_derivatives);
};

} // namespace maury

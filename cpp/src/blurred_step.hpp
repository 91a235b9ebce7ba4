// The integral of a quadratic B-spline blurred by a Gaussian, and its derivatives.
#pragma once

#include <cstddef>
#include <vector>

namespace maury {

constexpr double blur_reach = 5.5; // in sigma: less than 2e-10 sigma^3 of S lies farther out

// S(x) = int_-inf^x (G * B)(u) du, with B the quadratic B-spline and G the Gaussian of sigma; S is 0 below
// -1.5 - blur_reach sigma and 1 above 1.5 + blur_reach sigma. Right to 1e-9 max(1, sigma^3).
class BlurredStep {
  public:
    static constexpr int most = 5;

    // At x = first, first - 1, ..., n of them, with the first n_derivatives <= most derivatives.
    void set(double first, std::size_t n, double sigma, int n_derivatives);
    const double* derivative(int order) const { return values_[order].data(); } // (n,); 0: S

  private:
    void make_room(std::size_t n);

    std::vector<double> values_[1 + most], cubes_;
};

} // namespace maury

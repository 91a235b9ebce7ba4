// Small problems for the solver's tests.
#pragma once

#include "dual.hpp"
#include "maury/solve.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// chi2 = sum of the squares of the residuals that a function of the parameters returns.
class ResidualProblem final : public maury::Problem {
  public:
    using Residuals = std::function<std::vector<Dual>(const Dual* x)>;

    ResidualProblem(std::size_t n_parameters, Residuals residuals)
        : n_(n_parameters), residuals_(std::move(residuals)) {}

    double chi2(const double* x) override {
        ++n_calls;
        double sum = 0.0;
        for (const Dual& r : evaluate(x))
            sum += r.value * r.value;
        return sum;
    }
    void derivatives(const double* x, double* gradient, double* hessian) override {
        std::fill_n(gradient, n_, 0.0);
        std::fill_n(hessian, n_ * n_, 0.0);
        for (const Dual& r : evaluate(x))
            for (std::size_t k = 0; k < n_; ++k) {
                gradient[k] += r.slope[k] * r.value;
                for (std::size_t l = 0; l < n_; ++l)
                    hessian[k * n_ + l] += r.slope[k] * r.slope[l];
            }
    }

    int n_calls = 0;

  private:
    std::vector<Dual> evaluate(const double* x) const {
        std::vector<Dual> parameters(n_);
        for (std::size_t k = 0; k < n_; ++k) {
            parameters[k].value = x[k];
            parameters[k].slope[k] = 1.0;
        }
        return residuals_(parameters.data());
    }
    std::size_t n_;
    Residuals residuals_;
};

// A bent valley with a least chi2 of 1 at (1, 1).
inline ResidualProblem rosenbrock() {
    return {2, [](const Dual* x) {
                return std::vector<Dual>{10.0 * (x[1] - x[0] * x[0]), 1.0 - x[0], Dual(1.0)};
            }};
}

// The least of a quadratic inside a box.
#pragma once

#include <cstddef>
#include <vector>

namespace maury {

// -1 or 1: x is at its lower or upper bound, and downhill is outwards; else 0.
inline signed char held_by(double x, double lower, double upper, double gradient) {
    return x <= lower && gradient >= 0.0 ? -1 : x >= upper && gradient <= 0.0 ? 1 : 0;
}

// Holds the memory it needs.
class BoxStep {
  public:
    explicit BoxStep(std::size_t n);

    // Finds the s that minimises 2 g.s + s'A s with lower <= x + s <= upper. matrix A (n, n) symmetric, the
    // others (n,). False if A is not positive definite; the step is then without meaning.
    bool find(const double* matrix, const double* gradient, const double* lower, const double* upper,
              const double* x);

    double operator[](std::size_t i) const { return step_[i]; } // s
    int held(std::size_t i) const { return held_[i]; } // -1: s ends at the lower bound, 1: upper, 0: free

  private:
    bool newton_point(const double* matrix, const double* gradient);

    std::size_t n_;
    std::vector<double> step_, target_, factor_, part_;
    std::vector<std::size_t> free_;
    std::vector<signed char> held_;
};

} // namespace maury

// A chi2 in pixel space, with the whole network: what is reported.
#pragma once

#include "maury/parallel.hpp"
#include "maury/solve.hpp"

#include <cstddef>

namespace maury {

class FullProblem : public Problem {
  public:
    // Before the first use with a spectrum. stop is asked now and then until the next begin.
    virtual void begin(const StopFlag& stop) = 0;
    virtual const double* model() const = 0; // (P,) of the last chi2
};

// hessian (n, n), of which a kernel summed the lower triangle.
inline void mirror(double* hessian, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < i; ++j)
            hessian[j * n + i] = hessian[i * n + j];
}

} // namespace maury

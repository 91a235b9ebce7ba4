// A chi2 in pixel space, with the whole network: what is reported.
#pragma once

#include "maury/parallel.hpp"
#include "maury/solve.hpp"

namespace maury {

class FullProblem : public Problem {
  public:
    // Before the first use with a spectrum. stop is asked now and then until the next begin.
    virtual void begin(const StopFlag& stop) = 0;
    virtual const double* model() const = 0; // (P,) of the last chi2
};

} // namespace maury

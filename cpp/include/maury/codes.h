// The one table of solver statuses: value, name, meaning. The C++ enum, the Python dict and the documentation
// are made from it. Values are never renumbered.
#pragma once

// clang-format off
#define MAURY_STATUS(X)                                                                                      \
    X(0, COST,            "converged: chi2 no longer falls")                                                 \
    X(1, STEP,            "converged: the step is too short to matter")                                      \
    X(2, GRADIENT,        "converged: the gradient is far below its own error")                              \
    X(3, STALLED,         "not converged: no step lowers chi2, though its gradient is large")              \
    X(4, MAX_EVALUATIONS, "not converged: the evaluations allowed were used up")                             \
    X(5, NON_FINITE,      "failed: chi2 is not finite at any start")                                         \
    X(6, TOO_FEW_PIXELS,  "failed: fewer usable pixels than labels + 1")                                     \
    X(7, SINGULAR,        "failed: the usable pixels do not fix every label")
// clang-format on

namespace maury {

enum class Status : int {
#define MAURY_STATUS_VALUE(value, name, meaning) name = value,
    MAURY_STATUS(MAURY_STATUS_VALUE)
#undef MAURY_STATUS_VALUE
};

inline bool converged(Status status) {
    return status == Status::COST || status == Status::STEP || status == Status::GRADIENT;
}

} // namespace maury

// The tables of statuses and flags: value, name, meaning. The C and C++ names, the Python dicts and the
// documentation are made from them. Values are never renumbered.
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

// Of a row of results; Imig et al. 2021, sec. 4.2. The thresholds are those of quality.cpp.
#define MAURY_FLAG(X)                                                                                        \
    X(0,  NOT_CONVERGED,      "the fit found no minimum; do not use the labels")                             \
    X(1,  AT_BOUND,           "a label is at the edge of its allowed range")                                 \
    X(2,  OUTSIDE_TRAINING,   "the labels are extrapolated: few or no training stars have such labels")      \
    X(3,  TOO_FEW_PIXELS,     "fewer than 25% of the emulator's pixels could be used")                       \
    X(4,  BAD_CHI2,           "reduced chi2 from the noise alone is above 100")                              \
    X(5,  LOW_SNR,            "signal-to-noise ratio below 15")                                              \
    X(6,  UNREADABLE,         "the file could not be read; see the column problem")                          \
    X(7,  RV_UNKNOWN,         "velocity unknown: the spectrum was assumed to be at rest")                    \
    X(8,  RV_AT_LIMIT,        "the velocity is at the limit of the search range")                            \
    X(9,  SHARPER,            "part of the spectrum has a higher resolution than the emulator; it was convolved to match") \
    X(10, HIGH_RCHI2,         "reduced chi2 with the scatter of the emulator is above 10")                   \
    X(11, BAD_PIXELS,         "more than 20% of the spectrum's pixels are masked")                           \
    X(12, OUTLIERS,           "more than 1.5% of the pixels were rejected as outliers")                      \
    X(13, STARTS_DISAGREE,    "fewer than 50% of the starts led to the adopted minimum")                     \
    X(14, EMISSION,           "emission lines of hydrogen or ionised calcium in the residual")               \
    X(15, CAUTION_GAP,        "caution: a dwarf near 10,000 K, where fits may avoid the strongest hydrogen lines") \
    X(16, CAUTION_COOL_DWARF, "caution: a dwarf cooler than 3750 K, where log g is poorly known")            \
    X(17, CAUTION_HOT,        "caution: hotter than 10,000 K, where few lines constrain [Fe/H] and [alpha/Fe]") \
    X(18, CAUTION_TIP,        "caution: a metal-rich giant at the tip of the giant branch, where training stars are few") \
    X(19, VISITS_DISAGREE,    "visits of the star differ by more than their errors")                         \
    X(20, MISFIT,             "the residual is smooth over tens of pixels, and larger than the emulator's errors") \
    X(21, RESOLUTION_UNKNOWN, "resolution unknown: that of the emulator was assumed")                        \
    X(22, UNLIKE_STARS,       "unlike a star: 70% of the features are not explained; 40% with EMISSION, AT_BOUND or OUTSIDE_TRAINING; any with EMISSION and another") \
    X(23, REJECTED,           "rejected by the survey; see the column mjdqual")
// clang-format on

#ifdef __cplusplus

#include <cstdint>

namespace maury {

enum class Status : int {
#define MAURY_STATUS_VALUE(value, name, meaning) name = value,
    MAURY_STATUS(MAURY_STATUS_VALUE)
#undef MAURY_STATUS_VALUE
};

inline bool converged(Status status) {
    return status == Status::COST || status == Status::STEP || status == Status::GRADIENT;
}

// Bits of Result::flags.
namespace flag {
#define MAURY_FLAG_VALUE(bit, name, meaning) constexpr std::uint32_t name = std::uint32_t{1} << bit;
MAURY_FLAG(MAURY_FLAG_VALUE)
#undef MAURY_FLAG_VALUE

// Rows with any of these should not be used.
constexpr std::uint32_t do_not_use =
    NOT_CONVERGED | UNREADABLE | RV_AT_LIMIT | HIGH_RCHI2 | UNLIKE_STARS | REJECTED;
} // namespace flag

} // namespace maury

#else

enum maury_status {
#define MAURY_STATUS_VALUE(value, name, meaning) MAURY_STATUS_##name = value,
    MAURY_STATUS(MAURY_STATUS_VALUE)
#undef MAURY_STATUS_VALUE
};

enum maury_flag {
#define MAURY_FLAG_VALUE(bit, name, meaning) MAURY_FLAG_##name = 1 << bit,
    MAURY_FLAG(MAURY_FLAG_VALUE)
#undef MAURY_FLAG_VALUE
};

#endif

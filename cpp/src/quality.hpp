// The flags of a fitted spectrum (Imig et al. 2021, sec. 4.2), from what the fit found and left.
#pragma once

#include "maury/maury.hpp"
#include "residuals.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace maury {

// What the flags need besides the result and its residuals.
struct Signs {
    bool at_bound = false, sharper = false, resolution_unknown = false;
    bool rejected = false;     // by the survey
    double bad_fraction = 0.0; // of the pixels in the emulator's range
    double spectrum_rv = 0.0;  // [km/s]; NaN = unknown
};

// Those of the bits that follow from the labels alone: regions to be used with caution. names: of the labels.
std::uint32_t cautions_of(const std::vector<double>& labels, const std::vector<std::string>& names);

// Result::flags. Of the result everything else is read.
std::uint32_t flags_of(const Result& result, const ResidualSigns& residuals, const Signs& signs,
                       const ModelParts& parts, double max_rv);

} // namespace maury

// The flags of a fitted spectrum (Imig et al. 2021, sec. 4.2), from what the fit found and left.
#pragma once

#include "emission.hpp"
#include "maury/maury.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace maury {

// What the flags need besides the result: found in the pixels.
struct Signs {
    bool at_bound = false, sharper = false, emission = false, misfit = false;
    bool resolution_unknown = false;
    double bad_fraction = 0.0; // of the pixels in the emulator's range
    double unexplained = 0.0;  // see unexplained_part
};

// Finds emission and misfit of a fit, with memory for one thread. The median width of the pixels is in pixels
// of the emulator; usual: see is_misfit.
class Residuals {
  public:
    void judge(const NormalisedFit& fit, double rv, double width, double window, double usual, Signs& signs);

  private:
    EmissionSearch search_;
};

// rms flux error on stars not trained on, and not less than local lines reproduce a running median.
double usual_error(double held_out_rms);

// Those of the bits that follow from the labels alone: regions to be used with caution. names: of the labels.
std::uint32_t cautions_of(const std::vector<double>& labels, const std::vector<std::string>& names);

// Result::flags. Of the result everything else is read; the velocity of the spectrum, NaN = unknown;
// rejected: by the survey.
std::uint32_t flags_of(const Result& result, const Signs& signs, const ModelParts& parts, double spectrum_rv,
                       double max_rv, bool rejected);

} // namespace maury

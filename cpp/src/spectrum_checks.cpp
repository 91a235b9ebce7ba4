#include "spectrum_checks.hpp"

#include "emulator_checks.hpp"
#include "maury/measure.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace maury {
namespace {

// No star is observed at shorter wavelengths [Angstrom]: interstellar hydrogen absorbs them. Larger numbers
// than the second are no nanometres of a spectrograph for visible light or the near infrared.
constexpr double lyman_limit = 912.0, largest_nm = 3000.0, largest_micron = 100.0;

std::string arm_fault(const Spectrum& spectrum) {
    std::array<bool, Spectra::most_arms> seen{};
    for (std::size_t p = 0; p < spectrum.arm.size; ++p) {
        const std::int32_t arm = spectrum.arm.data[p];
        if (arm < 0 || arm >= Spectra::most_arms)
            return "arm: expected numbers from 0 to 63, got " + std::to_string(arm) +
                   "; number the arms of the spectrograph from 0";
        if (p > 0 && arm == spectrum.arm.data[p - 1])
            continue;
        if (seen[static_cast<std::size_t>(arm)])
            return "arm: the pixels of an arm must be contiguous; sort the pixels by arm";
        seen[static_cast<std::size_t>(arm)] = true;
    }
    return "";
}

} // namespace

void check_sizes(const Spectrum& spectrum, std::size_t n_labels) {
    const std::size_t n = spectrum.wavelength.size;
    const auto check = [&](std::size_t size, const char* name, bool needed) {
        require(size == n || (size == 0 && !needed), std::string(name) + ": expected " + std::to_string(n) +
                                                         " values like wavelength, got " +
                                                         std::to_string(size));
    };
    check(spectrum.flux.size, "flux", true);
    check(spectrum.ivar.size, "ivar", true);
    check(spectrum.lsf.size, "lsf", false);
    check(spectrum.mask.size, "mask", false);
    check(spectrum.arm.size, "arm", false);
    const std::size_t neighbours = n > 0 ? spectrum.resolution.size / n : 0;
    require(spectrum.resolution.size == neighbours * n && (neighbours == 0 || neighbours % 2 == 1),
            "resolution: expected an odd number of neighbours for every pixel");
    require(spectrum.starts.size % n_labels == 0,
            "starts: expected rows of " + std::to_string(n_labels) + " labels");
    require(spectrum.guess.size == 0 || spectrum.guess.size == n_labels,
            "guess: expected " + std::to_string(n_labels) + " labels");
    require(spectrum.prior_mean.size == 0 || spectrum.prior_mean.size == n_labels,
            "prior_mean: expected " + std::to_string(n_labels) + " labels");
    require(spectrum.prior_precision.size == spectrum.prior_mean.size * n_labels,
            "prior_precision: expected the inverse covariance of the labels of prior_mean");
}

std::string fault_of(const Spectrum& spectrum) {
    const std::string arm = arm_fault(spectrum);
    if (!arm.empty())
        return arm;
    double low = 0.0, high = 0.0;
    bool padding = false;
    for (std::size_t p = 0; p < spectrum.wavelength.size; ++p) {
        const double here = spectrum.wavelength.data[p];
        if (!std::isfinite(here)) {
            padding = true;
            continue;
        }
        if (padding)
            return "wavelength: NaN may only pad the end of a row; keep the pixels of a gap and mask them";
        const bool follows =
            p > 0 && (spectrum.arm.size == 0 || spectrum.arm.data[p] == spectrum.arm.data[p - 1]);
        if (!(here > 0.0) || (follows && here <= spectrum.wavelength.data[p - 1]))
            return "wavelength: expected positive, increasing Angstrom; sort the pixels of a spectrum, or "
                   "pass arm where spectrograph arms overlap";
        low = p > 0 ? std::min(low, here) : here;
        high = std::max(high, here);
    }
    if (high > 0.0 && (high < largest_micron || (low < lyman_limit && high < largest_nm)))
        return "wavelength: expected Angstrom, got " + std::to_string(low) + " to " + std::to_string(high);
    return "";
}

} // namespace maury

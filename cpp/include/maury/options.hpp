// What a user can choose of a fit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace maury {

// Wavelengths [vacuum Angstrom] that are excluded from a fit; in the rest frame of the star if `moves`.
struct Region {
    double low, high;
    bool moves;
};

// The same for all spectra of a run.
struct Options {
    bool use_scatter = true; // of the emulator, in the weights, and its residual modes
    bool continuum = true;   // false: the data are normalised, their continuum is 1
    bool broadening = false; // fit an additional one: rotation, or a resolution lower than stated
    double max_rv = 1000.0;  // maximum absolute velocity [km/s]
    double clip = 4.0;       // sigma beyond which a pixel is an outlier; 0 = no clipping
    int n_starts = 6;        // candidates that are followed; more if noise does not distinguish them
    int max_evaluations = 200;
    // Limits of what is fitted besides labels and velocity [pixels of the grid].
    static constexpr double most_arm_shift = 3.0, most_broadening = 6.0;
    std::vector<Region> leave_out; // see regions.hpp for those with a name

    // Read by Fit (maury.hpp), not by measure().
    enum class Velocity { fit, given };
    Velocity velocity = Velocity::fit; // given: that of the spectrum, 0 where it is not known
    std::optional<bool> arm_rv;        // fit that of each further arm; by default where velocities are fitted
    std::vector<double> lower, upper;  // (L,) bounds of the labels; empty: those of the model
    std::vector<std::pair<std::string, double>> fixed; // labels that are not fitted, and their values
    double resolution = 0.0, fwhm = 0.0; // R, or FWHM [Angstrom], of pixels without lsf; 0 = the model's
    std::int64_t reject = 66246;         // bits of Spectrum::quality: of MaStar's MJDQUAL those of the paper
};

} // namespace maury

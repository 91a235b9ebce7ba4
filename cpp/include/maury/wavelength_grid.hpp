// The wavelengths of an emulator's pixels, and what is known of each pixel besides its flux.
#pragma once

#include <cstddef>
#include <vector>

namespace maury {

constexpr double speed_of_light = 299792.458; // km/s

// Vacuum wavelengths at rest [Angstrom]. Positions on the grid are in pixels: pixel i covers i - 1/2 to
// i + 1/2. On a grid that is even in log10 a velocity is a shift: u -> u + log10(1 + v/c) / step.
class WavelengthGrid {
  public:
    // wavelength (P,) increasing; sigma (P,) [Angstrom] of the line-spread function, or empty if not known;
    // scatter (P,) of the emulator in normalised flux, or empty for none; window: width of the running median
    // that normalised the training spectra, in pixels. Throws std::invalid_argument.
    WavelengthGrid(std::vector<double> wavelength, const std::vector<double>& sigma,
                   std::vector<double> scatter, std::size_t window);

    std::size_t size() const { return wavelength_.size(); }
    bool even() const { return step_ > 0.0; } // in log10, to 1e-10
    double window() const { return window_; }

    double position(double wavelength) const; // beyond the ends as far as the steps there tell
    double width(double wavelength) const;    // of the grid's pixels there [Angstrom]
    double own_sigma(double position) const;  // in pixels; infinite where it is not known
    double scatter(double position) const;

    // Of an even grid; rv = c z [km/s].
    double to_shift(double rv) const;
    double to_rv(double shift) const;
    double pixel_velocity() const; // of a pixel, to first order; 0 on a grid that is not even

  private:
    double interpolate(const std::vector<double>& values, double position) const;

    std::vector<double> wavelength_, log_wavelength_, width_, sigma_, scatter_;
    double window_, start_ = 0.0, step_ = 0.0;
};

} // namespace maury

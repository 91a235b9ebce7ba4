// The pixels of one spectrum: where they lie on the emulator's grid, how sharp they are, what they hold.
#pragma once

#include "maury/instrument.hpp"
#include "maury/measure.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace maury {

class Pixels {
  public:
    explicit Pixels(const WavelengthGrid& grid) : grid_(grid) {}

    // Spectrum i, known or thought to have the velocity rv [km/s]; where the grid is not even the velocity is
    // taken out of the wavelengths.
    void set(const Spectra& spectra, std::size_t i, double rv);

    // What depends on the velocity, at this shift on the grid: the blur that the emulator lacks, and data
    // that are sharper than it, which are blurred to it.
    void see_at(double shift);
    void set_blur(double shift); // the first of the two

    std::size_t size() const { return n_; }
    std::size_t n_arms() const { return n_arms_; }
    const double* place() const { return place_.data(); } // of centres
    const double* wavelength() const { return wavelength_.data(); }
    const double* low() const { return low_.data(); }
    const double* high() const { return high_.data(); }
    const std::int32_t* arm() const { return arm_.data(); }
    // Pixels of one arm that follow each other to the red: [first, next first); one more than there are.
    const std::vector<std::size_t>& runs() const { return runs_; }
    const double* flux() const { return flux_.data(); } // 0 where ivar is 0
    const double* ivar() const { return ivar_.data(); } // 0 where a pixel is of no use
    bool has_matrix() const { return n_neighbours_ > 0; }
    bool sharper() const { return sharper_; } // a tenth or more of the pixels in use

    // With the instrument: pixels from first on, n of them.
    ObservedPixels observed(std::size_t first, std::size_t n) const;
    const double* variance() const { return variance_.data(); } // that the emulator lacks; 0 at least
    bool covered(std::size_t p, double shift) const;            // whether the emulator reaches there
    bool on_emulator(std::size_t p, double shift) const;        // the same of all that a pixel sees

  private:
    bool placed_at(const double* wavelength, const std::int32_t* arm, std::size_t n) const;
    void place_pixels(const double* wavelength, double doppler);
    void find_runs();
    void read_matrix(const double* rows, std::size_t n_neighbours);
    void blur_to_emulator();

    const WavelengthGrid& grid_;
    std::size_t n_ = 0, n_arms_ = 1, n_neighbours_ = 0;
    double doppler_ = 0.0; // of the wavelengths whose places are known
    bool sharper_ = false;
    std::vector<double> low_, high_, place_, sigma_, own_, variance_, narrowing_, resolution_, matrix_sigma_;
    std::vector<double> flux_, ivar_, raw_flux_, raw_ivar_, wavelength_;
    std::vector<std::int32_t> arm_;
    std::vector<std::size_t> runs_;
};

} // namespace maury

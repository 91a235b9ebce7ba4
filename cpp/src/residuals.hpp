// What a fit leaves of a spectrum: emission lines, misfits, and the signal-to-noise ratio.
#pragma once

#include "emission.hpp"
#include "maury/wavelength_grid.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// A spectrum (P,) as it was fitted, and its fit; NaN where there is none. Wavelengths are as observed.
struct FittedSpectrum {
    std::size_t n;
    const double *wavelength, *flux, *ivar, *model, *continuum;
    double rv; // [km/s]; NaN = 0
};

struct ResidualSigns {
    bool emission = false, misfit = false;
    double unexplained = 0.0; // see unexplained_part
    double snr = 0.0;         // median per pixel
};

// With memory for one thread.
class Residuals {
  public:
    // wavelength, scatter (P of the emulator,); window: see cell_size; held_out_rms: of flux, on stars that
    // the emulator was not trained on. The vectors must outlive this.
    Residuals(const std::vector<double>& wavelength, const std::vector<double>& scatter, double window,
              double held_out_rms);

    ResidualSigns judge(const FittedSpectrum& spectrum);

  private:
    void normalise(const FittedSpectrum& spectrum);
    double pixel_width(const FittedSpectrum& spectrum);

    const std::vector<double>&wavelength_, &scatter_;
    const WavelengthGrid grid_;
    double window_, usual_;
    EmissionSearch search_;
    std::vector<double> flux_, ivar_, model_, noise_, some_;
};

// rms flux error on stars not trained on, and not less than local lines reproduce a running median.
double usual_error(double held_out_rms);

} // namespace maury

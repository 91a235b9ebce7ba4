// Emission lines that a fit leaves in the residual: Balmer lines and ionised calcium.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace maury {

struct EmissionLine {
    const char* name;
    double wavelength; // vacuum Angstrom
};

constexpr std::array<EmissionLine, 9> emission_lines = {{{"H alpha", 6564.61},
                                                         {"H beta", 4862.68},
                                                         {"H gamma", 4341.68},
                                                         {"H delta", 4102.89},
                                                         {"Ca II K", 3934.77},
                                                         {"Ca II H", 3969.59},
                                                         {"Ca II 8500", 8500.36},
                                                         {"Ca II 8544", 8544.44},
                                                         {"Ca II 8665", 8664.52}}};

// A normalised spectrum (P,) and its fit; ivar 0 or NaN = bad. The wavelengths are as observed.
struct NormalisedFit {
    std::size_t n;
    const double *wavelength, *flux, *ivar, *model;
    const double* scatter; // rms that the emulator does not explain
};

// Of a line, and NaN where it is not covered: height over the model, in units of the continuum, and its
// significance, of the most significant of some widths. With a Gaussian profile g at the line,
//   a = sum w r g / sum w g^2, r = flux - model, w = 1 / (1 / ivar + scatter^2),
// its error 1 / sqrt(sum w g^2), more where the residual beside the line is larger than w tells. Single
// bright pixels (cosmic rays) are removed by a median of three.
class EmissionSearch {
  public:
    void find(const NormalisedFit& fit, double rv, double line, double& height, double& significance);

  private:
    double median_beside(const std::vector<double>& values);

    std::vector<double> velocity_, residual_, smooth_, weight_, above_, some_;
    std::vector<char> beside_;
};

// Whether two lines are significant, or H alpha alone is strong. Another line alone is usually a weak
// absorption line: Ca II K of metallic-line A stars. Both arrays are in the order of emission_lines.
bool shows_emission(const double* height, const double* significance);

} // namespace maury

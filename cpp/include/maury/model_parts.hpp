// What an emulator consists of, as plain numbers: what its file holds, or what a program has.
#pragma once

#include "maury/layer.hpp"

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace maury {

// Size and correlation of the errors of labels on stars that training did not see (L labels, D variables, T
// terms): ln sigma_j = sum_t c_tj phi_t(z), z = (v - centre) / scale, v the variables, limited to low and
// high. A term is "1"; a product of variables, "teff*logg"; or a bend, "teff>6500": (v - knot) / scale above
// the knot.
struct ModelError {
    std::vector<std::string> variables;           // (D,) labels, or "distance": to the training stars
    std::vector<bool> log10;                      // (D,) v is the log10 of the variable
    std::vector<double> centre, scale, low, high; // (D,)
    std::vector<std::string> terms;               // (T,)
    std::vector<double> coefficients;             // (T, L)
    std::vector<double> least, most;              // (L,) of ln sigma
    std::vector<double> correlation;              // (L, L)
};

// L labels, P pixels, M training labels. Where "may be empty", what follows the colon is meant then.
struct ModelParts {
    std::string name;
    std::vector<std::string> labels;                // (L,) "teff", ...
    std::vector<std::string> units;                 // (L,) may be empty: not said
    std::vector<std::string> transforms;            // (L,) "linear" or "log10"; may be empty: linear
    std::vector<double> label_min, label_max;       // (L,) what becomes -1/2 and 1/2 at the input
    std::vector<double> lower, upper;               // (L,) bounds of a fit; may be empty: the above
    std::vector<double> training_labels;            // (M, L) may be empty: not known
    std::vector<double> training_min, training_max; // (L,) may be empty: of the training labels, or the above
    std::vector<Layer> layers;                      // the last one linear, giving the P pixels
    std::vector<double> wavelength;                 // (P,) vacuum, rest frame, increasing [Angstrom]
    std::vector<double> lsf;                        // (P,) Gaussian sigma [Angstrom]; may be empty: not known
    std::vector<double> scatter; // (P,) rms of normalised flux not explained; may be empty: 0
    std::vector<double> modes;   // (P, any) residual modes, a part of the scatter; may be empty
    std::size_t window = 400;    // of the running median that normalised the training spectra
    double held_out_rms = std::numeric_limits<double>::infinity(); // of flux, on stars not trained on
    std::optional<ModelError> error;                               // empty: not known
};

} // namespace maury

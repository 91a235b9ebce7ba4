// What all spectra of a batch share, made once.
#pragma once

#include "maury/compress.hpp"
#include "maury/fit.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace maury {

// All labels scaled.
struct FitPlan {
    std::vector<double> lower, upper;   // (L,)
    std::vector<double> candidates;     // (M, L), those inside the bounds
    std::vector<double> models;         // (M, K) their coefficients, or (M, P) fluxes if there is no basis
    std::unique_ptr<const Basis> basis; // null: the search goes through the pixels

    const double* model(const Emulator& emulator, std::size_t m) const {
        return models.data() + m * (basis ? emulator.n_coefficients() : emulator.n_pixels());
    }
};

// Throws std::invalid_argument for bad bounds; see fit_batch.
FitPlan make_plan(const Emulator& emulator, const FitInput& input, const SolveOptions& options, int threads,
                  const std::function<void(std::size_t)>& wake);

} // namespace maury

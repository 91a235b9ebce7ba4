// Gram matrices of the basis over short stretches of the grid, stored: of them that of any weights is nearly
// a sum.
#pragma once

#include "maury/aligned.hpp"
#include "maury/emulator.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

namespace maury {

// B'WB ~ sum_b w_b B_b'B_b, w_b the mean weight in stretch b. Data that are broader than the emulator by the
// variance v see a blurred basis: its matrices are stored at a few v, and interpolated in v between them.
// All is a function of the emulator alone, so no spectrum depends on another.
class GramStretches {
  public:
    static constexpr std::size_t length = 128; // pixels
    explicit GramStretches(const Emulator& emulator);

    std::size_t size() const { return n_stretches_; }
    // Numbers of a matrix: the lower triangle row by row, padded.
    std::size_t n_numbers() const { return n_numbers_; }

    // Memory of sum; one a thread.
    struct Workspace {
        std::vector<const float*> rows;
        std::vector<float> weights;
        Aligned<float> sum;
    };
    // gram (K, stride) = sum_b weight_b B_b'B_b, each blurred by variance_b [pixels^2]; both (size(),)
    void sum(const double* weight, const double* variance, double* gram, Workspace& work) const;

  private:
    struct Level {
        std::once_flag made;
        Aligned<float> matrices; // (stretches, numbers)
    };
    const float* matrices(std::size_t level) const;
    void make(std::size_t level) const;

    const Emulator& emulator_;
    std::size_t n_stretches_, n_numbers_;
    mutable std::unique_ptr<Level[]> levels_;
};

} // namespace maury

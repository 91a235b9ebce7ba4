// How far labels are from the training stars.
#pragma once

#include "label_space.hpp"
#include "maury/model_parts.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// The distance to the third nearest training star, so that one mislabelled star does not extend the region,
// divided by the limit within which 99 % of the training stars are of each other.
class TrainingDistance {
  public:
    static constexpr std::size_t neighbour = 3;

    explicit TrainingDistance(const ModelParts& parts);

    // NaN for labels (L,) that are not finite, and without training labels.
    double operator()(const double* labels) const;

  private:
    double to_neighbour(const double* place, std::size_t k) const;

    LabelSpace space_;
    std::size_t n_labels_, n_ = 0; // stars with different labels
    double limit_ = 1.0;
    std::vector<double> stars_; // (n, L) scaled, by the first of them
};

} // namespace maury

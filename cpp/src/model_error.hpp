// The error of a model on stars that training did not see, at given labels.
#pragma once

#include "maury/model_parts.hpp"

#include <cstddef>
#include <vector>

namespace maury {

class ModelErrors {
  public:
    // Throws std::invalid_argument where a shape, name or number is wrong. n_stars: training stars with
    // different labels, of which a distance needs some.
    ModelErrors(const ModelError& error, const std::vector<std::string>& labels, std::size_t n_stars);

    // Standard deviations (L,) at labels (L,), at this distance to the training stars. NaN where a label is,
    // or is not positive though its log10 is taken.
    void predict(const double* labels, double distance, double* sigma) const;

  private:
    struct Term {
        std::vector<std::size_t> factors; // variables
        bool bent = false;
        double knot = 0.0;
    };

    Term term_of(const std::string& text) const;

    ModelError error_;
    std::size_t n_labels_;
    std::vector<std::size_t> of_label_; // (D,) number of the label; L = the distance
    std::vector<Term> terms_;
};

} // namespace maury

// Where a fit may start, and the spectra with which data are correlated to find their velocity: labels spread
// over the training set of a model.
#pragma once

#include "maury/model_parts.hpp"

#include <cstddef>
#include <vector>

namespace maury {

constexpr std::size_t n_candidates = 2048; // measured: more find no other minimum
constexpr std::size_t n_templates = 32;

// (n_candidates, L), the same for all calls with the same arguments: training labels inside the bounds, and
// labels that fill the bounds evenly. Of ModelParts labels, transforms and training_labels are read.
std::vector<double> candidate_labels(const ModelParts& parts, const std::vector<double>& lower,
                                     const std::vector<double>& upper);

// (n_templates, L) centres of clusters of the training labels, or of labels in the bounds of the model where
// those are few.
std::vector<double> template_labels(const ModelParts& parts);

} // namespace maury

// One fully connected layer of a network, as given.
#pragma once

#include "maury/activation.hpp"
#include "maury/export.h"

#include <cstddef>
#include <string>
#include <vector>

namespace maury {

// Throws std::invalid_argument, naming the choices, for a name it does not know.
MAURY_API Activation activation_from_name(const std::string& name);

// out = activation(weight in + bias). Weights are used in float32, all else in double.
struct Layer {
    std::size_t n_out, n_in;
    std::vector<double> weight; // (n_out, n_in)
    std::vector<double> bias;   // (n_out,)
    Activation activation;
};

} // namespace maury

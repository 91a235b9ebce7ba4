// Activations and their slopes.
#pragma once

#include "maury/layer.hpp"

#include <cstddef>

namespace maury {

// value (n,): argument in, activation out. slope (n,): d activation / d argument.
void activate(Activation activation, double* value, double* slope, std::size_t n);

} // namespace maury

// What is wrong with a spectrum, before it is fitted.
#pragma once

#include "maury/maury.hpp"

#include <string>

namespace maury {

// Throws std::invalid_argument where the arrays have different lengths, or starts are no rows of L labels.
void check_sizes(const Spectrum& spectrum, std::size_t n_labels);

// Why it is no spectrum; "" = nothing wrong.
std::string fault_of(const Spectrum& spectrum);

} // namespace maury

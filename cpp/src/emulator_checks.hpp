// What an emulator may be built from.
#pragma once

#include "maury/emulator.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace maury {

// All throw std::invalid_argument, naming the argument.
void require(bool good, const std::string& message);
// So many, all finite.
void check_numbers(const std::string& name, const std::vector<double>& values, std::size_t size);
void check_layers(const std::vector<Layer>& layers, std::size_t n_labels);
void check_cut(const Cut& cut, std::size_t n_inputs, std::size_t n_pixels);

} // namespace maury

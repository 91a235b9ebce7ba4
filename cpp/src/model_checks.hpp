// Checks of the parts of an emulator.
#pragma once

#include "maury/model_parts.hpp"

#include <string>
#include <vector>

namespace maury {

// The parts, with what may be empty filled in. Throws std::invalid_argument, which names the part.
ModelParts checked_parts(ModelParts parts);

// Columns of a catalogue, whose names no label may have.
const std::vector<std::string>& reserved_names();

} // namespace maury

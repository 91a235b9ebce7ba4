// Regions of the spectrum that can be excluded from a fit by name.
#pragma once

#include "maury/export.h"
#include "maury/options.hpp"

#include <string>
#include <vector>

namespace maury {

MAURY_API std::vector<std::string> region_names();

// Throws std::invalid_argument, naming the choices, for a name it does not know.
MAURY_API std::vector<Region> regions_of(const std::string& name);

} // namespace maury

// Options as text: "velocity=given max_rv=500 leave_out=telluric,sodium fixed=logg:4.4,fe_h:0".
#pragma once

#include "maury/options.hpp"

#include <string>
#include <vector>

namespace maury {

// Throws std::invalid_argument, naming the option.
Options options_of(const std::string& text);

} // namespace maury

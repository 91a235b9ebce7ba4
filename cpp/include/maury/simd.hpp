// Which build of the hot loops runs on this machine.
#pragma once

#include <string>
#include <vector>

namespace maury {

// Levels that this machine can run, best first: avx512, avx2, baseline on x86-64; neon on ARM.
std::vector<std::string> simd_levels();

// The one in use: the best, or that of the environment variable MAURY_SIMD, which is read once. Throws
// std::invalid_argument when that names no level of this machine.
std::string simd_level();

} // namespace maury

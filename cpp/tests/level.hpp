// The level of instructions that a test runs at.
#pragma once

#include "maury/simd.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

constexpr int skipped = 77; // what main returns then; see CMakeLists.txt

// True where MAURY_SIMD asks for a level that this machine does not have.
inline bool level_is_missing() {
    const char* const wanted = std::getenv("MAURY_SIMD");
    const std::vector<std::string> levels = maury::simd_levels();
    if (!wanted || std::find(levels.begin(), levels.end(), wanted) != levels.end())
        return false;
    std::printf("skipped: this machine has no %s\n", wanted);
    return true;
}

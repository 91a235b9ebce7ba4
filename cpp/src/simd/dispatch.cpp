#include "kernels.hpp"
#include "maury/simd.hpp"
#include "processor.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace maury {
namespace simd {

#if defined(MAURY_SIMD_X86)
extern const Kernels kernels_baseline, kernels_avx2, kernels_avx512;
#elif defined(MAURY_SIMD_ARM)
extern const Kernels kernels_neon;
#else
extern const Kernels kernels_baseline;
#endif

namespace {

// What this machine and its system can run, best first.
std::vector<const Kernels*> available() {
#if defined(MAURY_SIMD_X86)
    std::vector<const Kernels*> found;
    const Processor machine = processor();
    if (machine.avx512)
        found.push_back(&kernels_avx512);
    if (machine.avx2)
        found.push_back(&kernels_avx2);
    found.push_back(&kernels_baseline);
    return found;
#elif defined(MAURY_SIMD_ARM)
    return {&kernels_neon};
#else
    return {&kernels_baseline};
#endif
}

const Kernels& choose() {
    const std::vector<const Kernels*> found = available();
    const char* const wanted = std::getenv("MAURY_SIMD");
    if (!wanted || !*wanted)
        return *found.front();
    std::string names;
    for (const Kernels* level : found) {
        if (std::string(wanted) == level->level)
            return *level;
        names += (names.empty() ? "" : ", ") + std::string(level->level);
    }
    throw std::invalid_argument("MAURY_SIMD: expected one of " + names +
                                ", which is what this machine has, got '" + wanted +
                                "'; unset it to have the best one chosen");
}

} // namespace

const Kernels& kernels() {
    static const Kernels& chosen = choose();
    return chosen;
}

void pack(const float* weight, std::size_t n_out, std::size_t n_in, float* packed) {
    for (std::size_t row = 0; row < padded(n_out); ++row)
        for (std::size_t k = 0; k < n_in; ++k)
            packed[(row / panel * n_in + k) * panel + row % panel] =
                row < n_out ? weight[row * n_in + k] : 0.0f;
}

} // namespace simd

std::vector<std::string> simd_levels() {
    std::vector<std::string> names;
    for (const simd::Kernels* level : simd::available())
        names.emplace_back(level->level);
    return names;
}

std::string simd_level() { return simd::kernels().level; }

} // namespace maury

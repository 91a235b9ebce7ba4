// Asked directly: __builtin_cpu_supports relies on a table of the compiler's runtime, which some toolchains
// leave empty (zig 0.17: no feature at all), and then the slowest kernels would run without a word.
#include "processor.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace maury::simd {

#if defined(__x86_64__)
namespace {

// Registers that the system saves for a thread, a bit each; needs OSXSAVE.
unsigned saved_registers() {
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

} // namespace

// Intel SDM vol. 1, 14.3 and 15.2 to 15.4. macOS saves ZMM only once they are used, so AVX2 is found there.
Processor processor() {
    constexpr unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28;         // leaf 1, ecx
    constexpr unsigned avx2 = 1u << 5, f = 1u << 16, dq = 1u << 17, vl = 1u << 31; // leaf 7, ebx
    constexpr unsigned ymm = 0x06, zmm = 0xe6; // XMM and the upper half; opmask and both kinds of ZMM too
    const auto has = [](unsigned bits, unsigned wanted) { return (bits & wanted) == wanted; };
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, fma | osxsave | avx))
        return {};
    const unsigned saved = saved_registers();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, avx2) || !has(saved, ymm))
        return {};
    return {true, has(b, f | dq | vl) && has(saved, zmm)};
}
#else
Processor processor() { return {}; }
#endif

} // namespace maury::simd

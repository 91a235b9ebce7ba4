// What the processor can do and the system lets us use.
#pragma once

namespace maury::simd {

struct Processor {
    bool avx2;   // with FMA
    bool avx512; // F, DQ and VL, besides AVX2
};

Processor processor();

} // namespace maury::simd

// Vectors as wide as the level this file is compiled for, in the arithmetic of GCC and Clang; an intrinsic
// only where the compilers do not find the instruction. Everything has internal linkage, so that no code for
// one level is ever shared with another.
#pragma once

#include <cstddef>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace maury::simd {
namespace {

#if defined(__AVX512F__)
constexpr std::size_t vector_bytes = 64;
#elif defined(__AVX2__)
constexpr std::size_t vector_bytes = 32;
#else
constexpr std::size_t vector_bytes = 16;
#endif

using Floats = float __attribute__((vector_size(vector_bytes)));
using HalfFloats = float __attribute__((vector_size(vector_bytes / 2)));
using HalfDoubles = double __attribute__((vector_size(vector_bytes / 2)));
using Doubles = double __attribute__((vector_size(vector_bytes)));
using Integers = int __attribute__((vector_size(vector_bytes)));
constexpr std::size_t n_floats = vector_bytes / sizeof(float), n_doubles = vector_bytes / sizeof(double);

// How many vectors a kernel may keep in registers as sums, next to what it loads.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr std::size_t n_sums = 24;
#else
constexpr std::size_t n_sums = 12;
#endif

template <typename Vector, typename Number> Vector load(const Number* from) {
    Vector vector;
    __builtin_memcpy(&vector, from, sizeof vector);
    return vector;
}
template <typename Vector, typename Number> void store(Number* to, Vector vector) {
    __builtin_memcpy(to, &vector, sizeof vector);
}

// As many floats as there are Doubles or Floats, in that precision.
template <typename Vector> Vector load_floats(const float* from);
template <> inline Floats load_floats<Floats>(const float* from) { return load<Floats>(from); }
template <> inline Doubles load_floats<Doubles>(const float* from) {
#if defined(__AVX512F__)
    return _mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(from)); // the plain one trips a warning of GCC
#elif defined(__AVX2__)
    return _mm256_cvtps_pd(_mm_loadu_ps(from));
#else
    return __builtin_convertvector(load<HalfFloats>(from), Doubles);
#endif
}

// Sum of the lanes, halves first: the same tree for every vector of a width.
template <typename Number, std::size_t n> Number sum_of_lanes(Number (&lane)[n]) {
    for (std::size_t width = n / 2; width > 0; width /= 2)
        for (std::size_t i = 0; i < width; ++i)
            lane[i] += lane[i + width];
    return lane[0];
}
inline double sum_of(Doubles v) {
    double lane[n_doubles];
    store(lane, v);
    return sum_of_lanes(lane);
}
inline float sum_of(Floats v) {
    float lane[n_floats];
    store(lane, v);
    return sum_of_lanes(lane);
}

} // namespace
} // namespace maury::simd

// A loop over registers: never left to the compiler's taste.
#define MAURY_UNROLL _Pragma("GCC unroll 32")

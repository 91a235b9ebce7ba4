// Normal deviates for the tests of the kernels.
#pragma once

#include "maury/aligned.hpp"
#include "simd/kernels.hpp"

#include <algorithm>
#include <cstddef>
#include <random>

inline std::mt19937_64 generator(5);

template <typename Number> maury::Aligned<Number> random_numbers(std::size_t n) {
    std::normal_distribution<double> normal;
    maury::Aligned<Number> numbers(n);
    for (Number& number : numbers)
        number = static_cast<Number>(normal(generator));
    return numbers;
}

// (n_rows, n) numbers, each row padded with zeros.
inline maury::Aligned<float> random_rows(std::size_t n_rows, std::size_t n) {
    maury::Aligned<float> rows = random_numbers<float>(n_rows * maury::simd::padded(n));
    for (std::size_t p = 0; p < n_rows; ++p)
        std::fill_n(&rows[p * maury::simd::padded(n) + n], maury::simd::padded(n) - n, 0.0f);
    return rows;
}

// Normal deviates for the tests of the kernels.
#pragma once

#include "maury/aligned.hpp"

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

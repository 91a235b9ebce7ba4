// Median of a few numbers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace maury {

// Of values, one at least, whose order changes; the mean of the middle two if their number is even.
inline double median(std::vector<double>& values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return values.size() % 2 ? *middle : 0.5 * (*std::max_element(values.begin(), middle) + *middle);
}

} // namespace maury

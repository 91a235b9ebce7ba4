#include "maury/running_median.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace maury {

template <typename T>
void running_median(const T* flux, const std::uint8_t* mask, T* out, std::size_t n_pixels, std::size_t half) {
    const auto usable = [&](std::size_t i) { return (!mask || !mask[i]) && std::isfinite(flux[i]); };
    half = std::min(half, n_pixels);

    std::vector<T> window; // the usable values in reach, in order
    window.reserve(std::min(n_pixels, 2 * half + 1));
    const auto add = [&](std::size_t i) {
        if (usable(i))
            window.insert(std::upper_bound(window.begin(), window.end(), flux[i]), flux[i]);
    };
    const auto remove = [&](std::size_t i) {
        if (usable(i))
            window.erase(std::lower_bound(window.begin(), window.end(), flux[i]));
    };

    for (std::size_t i = 0; i < std::min(half, n_pixels); ++i)
        add(i);
    for (std::size_t i = 0; i < n_pixels; ++i) {
        if (i + half < n_pixels)
            add(i + half);
        if (i > half)
            remove(i - half - 1);
        const std::size_t count = window.size();
        if (count == 0)
            out[i] = std::numeric_limits<T>::quiet_NaN();
        else if (count % 2 == 1)
            out[i] = window[count / 2];
        else
            out[i] = (window[count / 2 - 1] + window[count / 2]) / 2;
    }
}

template void running_median<float>(const float*, const std::uint8_t*, float*, std::size_t, std::size_t);
template void running_median<double>(const double*, const std::uint8_t*, double*, std::size_t, std::size_t);

} // namespace maury

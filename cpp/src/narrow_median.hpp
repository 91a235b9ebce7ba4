// Running median of a window of a few pixels: many windows side by side, each with its lowest values in
// order.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace maury {

constexpr std::size_t narrow_half = 3; // wider windows are faster by ranks

// Finite even where the sum is not.
template <typename T> T mean(T a, T b) {
    const T sum = a + b;
    return std::isinf(sum) ? a / 2 + b / 2 : sum / 2;
}

// Arguments as of running_median, half <= narrow_half.
template <typename T>
void narrow_median(const T* flux, const std::uint8_t* mask, T* out, std::size_t n_pixels, std::size_t half) {
    constexpr std::size_t n_lanes = 64;
    constexpr T none = std::numeric_limits<T>::infinity(); // what takes no part goes to the end of the order
    T around[n_lanes + 2 * narrow_half], lowest[narrow_half + 1][n_lanes], entering[n_lanes];
    for (std::size_t begin = 0; begin < n_pixels; begin += n_lanes) {
        for (std::size_t i = 0; i < n_lanes + 2 * half; ++i) {
            const std::size_t pixel = begin + i - half; // before the first pixel it wraps round
            const bool usable = pixel < n_pixels && (!mask || !mask[pixel]) && std::isfinite(flux[pixel]);
            around[i] = usable ? flux[pixel] : none;
        }
        std::fill_n(lowest[0], (half + 1) * n_lanes, none);
        for (std::size_t i = 0; i <= 2 * half; ++i) {
            std::copy_n(around + i, n_lanes, entering);
            for (std::size_t k = 0; k <= std::min(i, half); ++k)
                for (std::size_t lane = 0; lane < n_lanes; ++lane) {
                    const T a = lowest[k][lane], b = entering[lane];
                    lowest[k][lane] = std::min(a, b);
                    entering[lane] = std::max(a, b);
                }
        }
        std::size_t count = 0;
        for (std::size_t i = 0; i < 2 * half; ++i)
            count += around[i] != none;
        for (std::size_t lane = 0; lane < std::min(n_lanes, n_pixels - begin); ++lane) {
            count += around[lane + 2 * half] != none;
            const T lower = count > 0 ? lowest[(count - 1) / 2][lane] : std::numeric_limits<T>::quiet_NaN();
            out[begin + lane] = count % 2 == 1 ? lower : mean(lower, lowest[count / 2][lane]);
            count -= around[lane] != none;
        }
    }
}

} // namespace maury

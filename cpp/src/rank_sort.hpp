// Sorting the usable pixels of a spectrum by the bits of their flux; the running median works on the ranks.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

namespace maury {

// An item is a key in its high bits and the number of a pixel in the low ones.
constexpr int pixel_bits = 31;
constexpr std::uint64_t pixel_mask = (std::uint64_t{1} << pixel_bits) - 1;
constexpr int digit_bits = 10;
constexpr std::size_t n_digits = std::size_t{1} << digit_bits;
constexpr std::size_t max_passes = 3;

// An unsigned integer that orders as the finite values do (-0 before 0).
template <typename T> std::uint64_t ordered_bits(T value) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    constexpr int top = 8 * sizeof(T) - 1;
    Bits bits;
    std::memcpy(&bits, &value, sizeof(T));
    return bits ^ (-(bits >> top) | Bits{1} << top);
}

// Gives the items, of pixel numbers, keys = (bits - lowest) >> shift and sorts them by key. spare holds the
// bits and is written; digits (max_passes * n_digits,) memory. Returns whichever of the two holds the result.
template <int n_passes>
std::uint64_t* radix_sort(std::uint64_t* items, std::uint64_t* spare, std::size_t n, std::uint64_t lowest,
                          int shift, std::uint32_t* digits) {
    const auto digit = [](std::uint64_t item, int pass) {
        return (item >> (pixel_bits + digit_bits * pass)) & (n_digits - 1);
    };
    std::fill_n(digits, n_digits * n_passes, 0u);
    for (std::size_t i = 0; i < n; ++i) {
        items[i] |= ((spare[i] - lowest) >> shift) << pixel_bits;
        for (int pass = 0; pass < n_passes; ++pass)
            ++digits[n_digits * static_cast<std::size_t>(pass) + digit(items[i], pass)];
    }
    for (int pass = 0; pass < n_passes; ++pass) {
        std::uint32_t* const place = digits + n_digits * static_cast<std::size_t>(pass);
        std::uint32_t sum = 0;
        for (std::size_t d = 0; d < n_digits; ++d)
            sum += std::exchange(place[d], sum);
        for (std::size_t i = 0; i < n; ++i)
            spare[place[digit(items[i], pass)]++] = items[i];
        std::swap(items, spare);
    }
    return items;
}

// Writes items and spare (n_pixels <= pixel_mask,). Returns the items of the usable pixels in order of flux,
// and how many they are.
template <typename T>
std::pair<std::uint64_t*, std::size_t> sorted_pixels(const T* flux, const std::uint8_t* mask,
                                                     std::size_t n_pixels, std::uint64_t* items,
                                                     std::uint64_t* spare, std::uint32_t* digits) {
    std::size_t n = 0;
    std::uint64_t lowest = ~std::uint64_t{0}, highest = 0;
    for (std::size_t i = 0; i < n_pixels; ++i) {
        if ((mask && mask[i]) || !std::isfinite(flux[i]))
            continue;
        const std::uint64_t bits = ordered_bits(flux[i]);
        lowest = std::min(lowest, bits);
        highest = std::max(highest, bits);
        items[n] = i;
        spare[n++] = bits;
    }
    const auto by_flux = [flux](std::uint64_t a, std::uint64_t b) {
        return ordered_bits(flux[a & pixel_mask]) < ordered_bits(flux[b & pixel_mask]);
    };
    if (n < 200) { // clearing and summing the digits would cost more
        std::sort(items, items + n, by_flux);
        return {items, n};
    }
    // Within a few octaves two digits tell nearly all values apart; across zero it takes three.
    constexpr int octave = std::numeric_limits<T>::digits - 1;
    int width = 0;
    while (width < 64 && (highest - lowest) >> width)
        ++width;
    const int n_passes = width <= octave + 3 ? 2 : 3;
    const int shift = std::max(0, width - digit_bits * n_passes);
    items = n_passes == 2 ? radix_sort<2>(items, spare, n, lowest, shift, digits)
                          : radix_sort<3>(items, spare, n, lowest, shift, digits);
    const auto same_key = [](std::uint64_t a, std::uint64_t b) { return a >> pixel_bits == b >> pixel_bits; };
    for (std::uint64_t *run = items, *const end = items + n; shift > 0;) { // the rest of the bits decides
        run = std::adjacent_find(run, end, same_key);
        if (run == end)
            break;
        const auto stop = std::find_if(run, end, [&](std::uint64_t item) { return !same_key(item, *run); });
        if (!std::is_sorted(run, stop, by_flux)) // so that many equal values cost little
            std::sort(run, stop, by_flux);
        run = stop;
    }
    return {items, n};
}

} // namespace maury

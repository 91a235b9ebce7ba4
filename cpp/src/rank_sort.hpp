// Sorting floating-point values by their bits; the running median works on the ranks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace maury {

// An item is a key in its high bits and the index of a value in the low ones.
constexpr int index_bits = 31;
constexpr std::uint64_t index_mask = (std::uint64_t{1} << index_bits) - 1;
constexpr int digit_bits = 11;
constexpr std::size_t n_digits = std::size_t{1} << digit_bits;

// An unsigned integer that orders as the finite values do (-0 before 0).
template <typename T> std::uint64_t ordered_bits(T value) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    constexpr Bits sign = Bits{1} << (8 * sizeof(T) - 1);
    Bits bits;
    std::memcpy(&bits, &value, sizeof(T));
    return bits ^ (bits & sign ? ~Bits{0} : sign);
}

// Sorts by n_passes digits of the key, lowest first. items, spare (n,); digits (3 * n_digits,) memory.
// Returns whichever of the two holds the result.
inline std::uint64_t* radix_sort(std::uint64_t* items, std::uint64_t* spare, std::size_t n, int n_passes,
                                 std::uint32_t* digits) {
    const auto digit = [](std::uint64_t item, int pass) {
        return (item >> (index_bits + digit_bits * pass)) & (n_digits - 1);
    };
    std::fill_n(digits, n_digits * static_cast<std::size_t>(n_passes), 0u);
    std::uint32_t* const second = digits + n_digits;
    std::uint32_t* const third = second + n_digits;
    if (n_passes == 2) {
        for (std::size_t i = 0; i < n; ++i) {
            ++digits[digit(items[i], 0)];
            ++second[digit(items[i], 1)];
        }
    } else {
        for (std::size_t i = 0; i < n; ++i) {
            ++digits[digit(items[i], 0)];
            ++second[digit(items[i], 1)];
            ++third[digit(items[i], 2)];
        }
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

// Sorts n <= index_mask items whose low bits are the index of a finite value, by value. Writes items, spare.
template <typename T>
std::uint64_t* sort_items(const T* values, std::uint64_t* items, std::uint64_t* spare, std::size_t n,
                          std::uint32_t* digits) {
    const auto bits_of = [values](std::uint64_t item) { return ordered_bits(values[item & index_mask]); };
    const auto by_value = [bits_of](std::uint64_t a, std::uint64_t b) { return bits_of(a) < bits_of(b); };
    if (n < 200) { // clearing and summing the digits would cost more
        std::sort(items, items + n, by_value);
        return items;
    }
    std::uint64_t lowest = ~std::uint64_t{0}, highest = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const std::uint64_t bits = bits_of(items[i]);
        lowest = std::min(lowest, bits);
        highest = std::max(highest, bits);
    }
    // Within a few octaves two digits tell nearly all values apart, across zero it takes three.
    constexpr int octave = sizeof(T) == 4 ? 23 : 52;
    int width = 0;
    while (width < 64 && (highest - lowest) >> width)
        ++width;
    const int n_passes = width <= octave + 3 ? 2 : 3;
    const int shift = std::max(0, width - digit_bits * n_passes);
    for (std::size_t i = 0; i < n; ++i)
        items[i] |= ((bits_of(items[i]) - lowest) >> shift) << index_bits;
    items = radix_sort(items, spare, n, n_passes, digits);
    for (std::size_t i = 0; shift > 0 && i + 1 < n;) { // values that share a key
        std::size_t end = i + 1;
        while (end < n && items[end] >> index_bits == items[i] >> index_bits)
            ++end;
        if (end > i + 1 && !std::is_sorted(items + i, items + end, by_value)) // equal ones are sorted
            std::sort(items + i, items + end, by_value);
        i = end;
    }
    return items;
}

} // namespace maury

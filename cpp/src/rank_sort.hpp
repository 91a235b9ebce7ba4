// Sorting the usable pixels of a spectrum; the running median works on their ranks.
//
// A radix sort of two digits, by a key that is linear in the flux. Pixels of one key are few and side by
// side, and are put in order one by one; where the keys do not tell the flux apart, all its bits do.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

namespace maury {

using Item = std::uint32_t; // key << bits.pixel | number of the pixel

struct ItemBits {
    int pixel = 1, low_digit, high_digit; // the digits make the key

    explicit ItemBits(std::size_t n_pixels) {
        while (n_pixels >> pixel)
            ++pixel;
        const int key = std::min(std::numeric_limits<Item>::digits - pixel, pixel + 6); // >= 64 keys a pixel
        high_digit = key / 2;
        low_digit = key - high_digit;
    }
    std::size_t n_low() const { return std::size_t{1} << low_digit; }
    std::size_t n_high() const { return std::size_t{1} << high_digit; }
};

constexpr std::size_t block = 64; // pixels
constexpr int most_digit_bits = 11;
constexpr std::size_t n_counts = std::size_t{1} << most_digit_bits; // n_low() + n_high() at most

// Calls work(i, size) for i = 0, size, ... < n. A load has to wait until it is known where the stores before
// it go: four loads, then the four stores, take half the time of one after the other.
template <typename Work> void in_groups(std::size_t n, Work work) {
    constexpr std::size_t most = 4;
    std::size_t i = 0;
    for (; i + most <= n; i += most)
        work(i, std::integral_constant<std::size_t, most>{});
    for (; i < n; ++i)
        work(i, std::integral_constant<std::size_t, 1>{});
}

// An unsigned integer that orders as the finite values do, and -0 before 0.
template <typename T> auto ordered_bits(T value) {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    constexpr int top = std::numeric_limits<Bits>::digits - 1;
    Bits bits;
    std::memcpy(&bits, &value, sizeof(T));
    return bits ^ (-(bits >> top) | Bits{1} << top);
}

// key = (flux - lowest) * scale is 0 ... length for nearly all usable pixels. A spike may lie outside, so
// that it cannot squeeze the rest: no end is further from the middle 3/4 of a sample than 4 times their
// width.
template <typename T>
std::pair<T, T> lowest_and_scale(const T* flux, const std::uint8_t* mask, std::size_t n_pixels, T length) {
    constexpr std::size_t most = 32;
    T sample[most];
    std::size_t n = 0;
    for (std::size_t i = 0, step = n_pixels / most + 1; i < n_pixels; i += step)
        if (!(mask && mask[i]) && std::isfinite(flux[i]))
            sample[n++] = flux[i];
    if (n == 0)
        return {T(0), T(0)};
    std::sort(sample, sample + n);
    const T low = sample[n / 8], high = sample[n - 1 - n / 8], width = high - low;
    T lowest = sample[0] - width, highest = sample[n - 1] + width;
    if (width > 0) {
        lowest = std::max(lowest, low - 4 * width);
        highest = std::min(highest, high + 4 * width);
    }
    return {lowest, length / (highest - lowest)};
}

// flux (block,)
template <typename T> bool all_finite(const T* flux) {
    T zero[8] = {}; // NaN unless finite
    for (std::size_t i = 0; i < block; i += 8)
        for (std::size_t k = 0; k < 8; ++k)
            zero[k] += flux[i + k] - flux[i + k];
    return std::all_of(zero, zero + 8, [](T x) { return x == 0; });
}

// Adds to low and high how often each digit comes.
inline void count_digits(const Item* items, std::size_t n, ItemBits bits, std::uint32_t* low,
                         std::uint32_t* high) {
    const int pixel_bits = bits.pixel, low_bits = bits.low_digit; // else reloaded after each store
    const Item last_low = static_cast<Item>(bits.n_low() - 1);
    in_groups(n, [=](std::size_t i, auto size) {
        Item keys[size];
        for (std::size_t k = 0; k < size; ++k)
            keys[k] = items[i + k] >> pixel_bits;
        for (std::size_t k = 0; k < size; ++k)
            ++low[keys[k] & last_low];
        for (std::size_t k = 0; k < size; ++k)
            ++high[keys[k] >> low_bits];
    });
}

// Writes the items (n_pixels + block,) of the usable pixels by their numbers, and adds to low and high how
// often each digit comes. Returns how many they are.
template <typename T>
std::size_t make_items(const T* flux, const std::uint8_t* mask, std::size_t n_pixels, ItemBits bits,
                       Item* items, std::uint32_t* low, std::uint32_t* high) {
    const int pixel_bits = bits.pixel;
    const T length = static_cast<T>(bits.n_low() * bits.n_high()), top = length - 1;
    const auto lowest_scale = lowest_and_scale(flux, mask, n_pixels, length);
    const T lowest = lowest_scale.first, scale = lowest_scale.second;
    std::size_t n = 0;
    for (std::size_t begin = 0; begin < n_pixels; begin += block) {
        const std::size_t n_here = std::min(block, n_pixels - begin);
        const T* here = flux + begin;
        T last[block], key[block];
        if (n_here < block) {
            std::fill(std::copy_n(here, n_here, last), last + block, std::numeric_limits<T>::quiet_NaN());
            here = last;
        }
        // One step a loop: so the compiler has vector instructions for each. NaN becomes 0.
        for (std::size_t i = 0; i < block; ++i)
            key[i] = (here[i] - lowest) * scale;
        for (std::size_t i = 0; i < block; ++i)
            key[i] = key[i] > 0 ? key[i] : 0;
        for (std::size_t i = 0; i < block; ++i)
            key[i] = key[i] < top ? key[i] : top;
        for (std::size_t i = 0; i < block; ++i)
            items[n + i] = static_cast<Item>(static_cast<std::int32_t>(key[i])) << pixel_bits |
                           static_cast<Item>(begin + i);
        bool all_usable = all_finite(here);
        if (mask) {
            std::uint8_t bad = 0;
            for (std::size_t i = 0; i < n_here; ++i)
                bad |= mask[begin + i];
            all_usable &= bad == 0;
        }
        std::size_t n_usable = block;
        if (!all_usable) {
            n_usable = 0;
            for (std::size_t i = 0; i < n_here; ++i) {
                items[n + n_usable] = items[n + i];
                n_usable += std::isfinite(here[i]) && !(mask && mask[begin + i]);
            }
        }
        count_digits(items + n, n_usable, bits, low, high);
        n += n_usable;
    }
    return n;
}

// from -> to, by digit(item) < n_digits, given how often each comes: counts (n_digits,).
template <typename Digit>
void sort_by_digit(const Item* from, Item* to, std::size_t n, std::size_t n_digits, std::uint32_t* counts,
                   Digit digit) {
    std::uint32_t sum = 0;
    for (std::size_t d = 0; d < n_digits; ++d)
        sum += std::exchange(counts[d], sum);
    in_groups(n, [=](std::size_t i, auto size) {
        Item group[size];
        std::uint32_t place[size];
        for (std::size_t k = 0; k < size; ++k)
            group[k] = from[i + k];
        for (std::size_t k = 0; k < size; ++k)
            place[k] = counts[digit(group[k])]++;
        for (std::size_t k = 0; k < size; ++k)
            to[place[k]] = group[k];
    });
}

// Returns whichever of items and spare holds the result.
template <typename T>
Item* sort_by_all_bits(const T* flux, Item* items, Item* spare, std::size_t n, Item pixel_mask,
                       std::uint32_t* counts) {
    for (int shift = 0; shift < 8 * static_cast<int>(sizeof(T)); shift += most_digit_bits) {
        const auto digit = [=](Item item) {
            return ordered_bits(flux[item & pixel_mask]) >> shift & (n_counts - 1);
        };
        std::fill_n(counts, n_counts, 0u);
        for (std::size_t i = 0; i < n; ++i)
            ++counts[digit(items[i])];
        sort_by_digit(items, spare, n, n_counts, counts, digit);
        std::swap(items, spare);
    }
    return items;
}

// Gives values and ranks (see rank_pixels) to items that are in order but for few and near ones, and puts
// those right. Where that would take long it gives up, with nothing of use, and returns false.
template <typename T>
bool rank_nearly_sorted(const T* flux, Item* items, std::size_t n, Item pixel_mask, T* values,
                        std::uint32_t* ranks, std::uint32_t first_rank) {
    std::size_t moves = 0;
    T last = -std::numeric_limits<T>::infinity();
    for (std::size_t i = 0; i < n; ++i) {
        const Item item = items[i];
        const T value = flux[item & pixel_mask];
        std::size_t place = i;
        if (!(last < value)) {
            for (; place > 0 && ordered_bits(value) < ordered_bits(values[place - 1]); --place) {
                values[place] = values[place - 1];
                items[place] = items[place - 1];
                ranks[items[place] & pixel_mask] = first_rank + static_cast<std::uint32_t>(place);
            }
            moves += i - place;
            if (moves > 4 * n) // then a sort by all bits takes as long
                return false;
            items[place] = item;
        }
        values[place] = value;
        ranks[item & pixel_mask] = first_rank + static_cast<std::uint32_t>(place);
        last = std::max(last, value);
    }
    return true;
}

// Writes the values of the usable pixels in order and, by pixel number, their ranks from first_rank on;
// leaves the ranks of others. Returns how many are usable.
//
// values, ranks  (n_pixels,)
// items, spare   (n_pixels + block,) memory
// counts         (n_counts,) memory
template <typename T>
std::size_t rank_pixels(const T* flux, const std::uint8_t* mask, std::size_t n_pixels, T* values,
                        std::uint32_t* ranks, std::uint32_t first_rank, Item* items, Item* spare,
                        std::uint32_t* counts) {
    const ItemBits bits(n_pixels);
    std::uint32_t *const low = counts, *const high = counts + bits.n_low();
    std::fill(low, high + bits.n_high(), 0u);
    const std::size_t n = make_items(flux, mask, n_pixels, bits, items, low, high);
    const int low_at = bits.pixel, high_at = bits.pixel + bits.low_digit;
    const Item last_low = static_cast<Item>(bits.n_low() - 1), pixel_mask = (Item{1} << bits.pixel) - 1;
    sort_by_digit(items, spare, n, bits.n_low(), low, [=](Item item) { return item >> low_at & last_low; });
    sort_by_digit(spare, items, n, bits.n_high(), high, [=](Item item) { return item >> high_at; });
    if (!rank_nearly_sorted(flux, items, n, pixel_mask, values, ranks, first_rank)) {
        // From spare: items have lost one by now.
        Item* const sorted = sort_by_all_bits(flux, spare, items, n, pixel_mask, counts);
        rank_nearly_sorted(flux, sorted, n, pixel_mask, values, ranks, first_rank);
    }
    return n;
}

} // namespace maury

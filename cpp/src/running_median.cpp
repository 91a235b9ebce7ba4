// Sort once, then slide: the window is a set of ranks (a bit each), and the middle of the window moves by at
// most one set bit when a pixel enters and another leaves.
#include "maury/running_median.hpp"

#include "rank_sort.hpp"

#include <bitset>
#include <cmath>
#include <limits>
#include <stdexcept>

#if defined(_MSC_VER)
#include <intrin.h>
#endif

namespace maury {
namespace {

std::uint32_t highest_bit(std::uint64_t word) { // word != 0
#if defined(_MSC_VER)
    unsigned long bit;
    _BitScanReverse64(&bit, word);
    return static_cast<std::uint32_t>(bit);
#else
    return 63u ^ static_cast<std::uint32_t>(__builtin_clzll(word));
#endif
}

std::uint64_t bit_of(std::uint32_t rank) { return std::uint64_t{1} << (rank & 63); }

// All bits if a < b, none otherwise.
std::uint64_t all_if_less(std::uint32_t a, std::uint32_t b) {
    return static_cast<std::uint64_t>((static_cast<std::int64_t>(a) - static_cast<std::int64_t>(b)) >> 63);
}

constexpr std::uint32_t absent = 1u << 31; // the rank of a pixel that takes no part

// Finite even where the sum is not.
template <typename T> T mean(T a, T b) {
    const T sum = a + b;
    return std::isinf(sum) ? a / 2 + b / 2 : sum / 2;
}

// The usable pixels of a window by rank. Rank 0 (below all values) and the last rank (above all) are always
// in, so that the middle exists and a search ends; they shift the middle of no window that holds a pixel.
struct Window {
    std::uint64_t* bits;
    std::uint32_t middle = 0; // the lower of the two when the count is even
    std::int32_t excess = 0;  // ranks above the middle less those below: 0 (odd count) or 1 (even)

    // ranks (n,) of the pixels in the window
    void fill(const std::uint32_t* ranks, std::size_t n, std::uint32_t last) {
        std::fill_n(bits, last / 64 + 1, std::uint64_t{0});
        bits[0] = 1;
        bits[last / 64] |= bit_of(last);
        std::size_t count = 2;
        for (std::size_t i = 0; i < n; ++i)
            if (ranks[i] != absent) {
                bits[ranks[i] / 64] |= bit_of(ranks[i]);
                ++count;
            }
        std::size_t before = (count - 1) / 2, word = 0;
        for (std::size_t here; (here = std::bitset<64>(bits[word]).count()) <= before; ++word)
            before -= here;
        std::uint64_t rest = bits[word];
        for (; before > 0; --before)
            rest &= rest - 1;
        middle =
            static_cast<std::uint32_t>(word * 64) + highest_bit(rest & -rest);
        excess = count % 2 ? 0 : 1;
    }

    std::uint32_t next(std::uint32_t rank) const {
        std::size_t word = rank / 64;
        std::uint64_t rest = bits[word] & ~(bit_of(rank) | (bit_of(rank) - 1));
        while (rest == 0)
            rest = bits[++word];
        return static_cast<std::uint32_t>(word * 64) + highest_bit(rest & -rest);
    }

    std::uint32_t previous(std::uint32_t rank) const {
        std::size_t word = rank / 64;
        std::uint64_t rest = bits[word] & (bit_of(rank) - 1);
        while (rest == 0)
            rest = bits[--word];
        return static_cast<std::uint32_t>(word * 64) + highest_bit(rest);
    }

    // One pixel enters, another leaves. No branch depends on the values unless the next rank lies in another word.
    void slide(std::uint32_t enters, std::uint32_t leaves) {
        if ((enters | leaves) & absent)
            return resize(enters, leaves);
        bits[enters / 64] ^= bit_of(enters);
        bits[leaves / 64] ^= bit_of(leaves);
        const std::uint64_t enters_above = all_if_less(middle, enters);
        const std::uint64_t up = enters_above & ~all_if_less(middle, leaves);
        const std::uint64_t down = ~(enters_above | all_if_less(leaves, middle));
        const std::uint64_t word = bits[middle / 64], here = bit_of(middle);
        const std::uint64_t above = word & (~here + 1) << 1, below = word & (2 * here - 1) & ~(here & down);
        const std::uint64_t found = below ^ ((below ^ (above & (~above + 1))) & up);
        if (found != 0)
            middle = (middle & ~63u) | highest_bit(found);
        else
            middle = up ? next(middle) : previous(middle);
    }

    // The same where one of the two, or both, takes no part.
    void resize(std::uint32_t enters, std::uint32_t leaves) {
        std::int32_t balance = excess;
        if (enters != absent) {
            bits[enters / 64] ^= bit_of(enters);
            balance += enters > middle ? 1 : -1;
        }
        if (leaves != absent) {
            bits[leaves / 64] ^= bit_of(leaves);
            balance += leaves > middle ? -1 : 1;
        }
        excess = balance & 1;
        if (balance > 1)
            middle = next(middle);
        else if (balance < 0 || leaves == middle)
            middle = previous(middle);
    }

    // values: by rank, NaN at both ends
    template <typename T> T median(const T* values) const {
        return excess == 0 ? values[middle] : mean(values[middle], values[next(middle)]);
    }
};

} // namespace

template <typename T>
void running_median(const T* flux, const std::uint8_t* mask, T* out, std::size_t n_pixels, std::size_t half,
                    MedianWorkspace& workspace) {
    if (n_pixels == 0)
        return;
    half = std::min(half, n_pixels);
    if (n_pixels > pixel_mask / 4)
        throw std::length_error("running_median: too many pixels");

    const std::size_t n_words = (n_pixels + 2) / 64 + 1;
    const std::size_t n_ranks = n_pixels + 2 * half + 1;
    workspace.memory.resize(std::max(workspace.memory.size(),
                                     3 * n_pixels + 2 + 2 * n_words + n_ranks / 2 + 1 + 3 * n_digits / 2));
    std::uint64_t* const items = workspace.memory.data();
    std::uint64_t* const spare = items + n_pixels;
    std::uint64_t* const bits = spare + n_pixels;
    T* const values = reinterpret_cast<T*>(bits + 2 * n_words);
    std::uint32_t* const ranks = reinterpret_cast<std::uint32_t*>(bits + 2 * n_words + n_pixels + 2);
    std::uint32_t* const digits = ranks + (n_ranks + 1) / 2 * 2;

    const auto [sorted, n] = sorted_pixels(flux, mask, n_pixels, items, spare, digits);
    const auto last = static_cast<std::uint32_t>(n + 1);
    std::fill_n(ranks, n_ranks, absent);
    values[0] = values[n + 1] = std::numeric_limits<T>::quiet_NaN();
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t pixel = sorted[i] & pixel_mask;
        values[i + 1] = flux[pixel];
        ranks[half + 1 + pixel] = static_cast<std::uint32_t>(i + 1);
    }

    // Two windows at once, one over each half of the spectrum: a step waits for the one before it.
    const std::size_t n_first = n_pixels / 2;
    Window first{bits}, second{bits + n_words};
    first.fill(ranks, 2 * half + 1, last);
    second.fill(ranks + n_first, 2 * half + 1, last);
    for (std::size_t i = 0, j = n_first; i < n_first; ++i, ++j) {
        first.slide(ranks[i + 2 * half + 1], ranks[i]);
        second.slide(ranks[j + 2 * half + 1], ranks[j]);
        out[i] = first.median(values);
        out[j] = second.median(values);
    }
    if (n_pixels % 2 == 1) {
        second.slide(ranks[n_ranks - 1], ranks[n_pixels - 1]);
        out[n_pixels - 1] = second.median(values);
    }
}

template void running_median<float>(const float*, const std::uint8_t*, float*, std::size_t, std::size_t,
                                    MedianWorkspace&);
template void running_median<double>(const double*, const std::uint8_t*, double*, std::size_t, std::size_t,
                                     MedianWorkspace&);

} // namespace maury

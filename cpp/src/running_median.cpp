// Sort once, then slide: the window is a set of ranks (a bit each), and the middle of the window moves by at
// most one set bit when a pixel enters and another leaves.
#include "maury/running_median.hpp"

#include "narrow_median.hpp"
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
        middle = static_cast<std::uint32_t>(word * 64) + highest_bit(rest & (~rest + 1));
        excess = count % 2 ? 0 : 1;
    }

    std::uint32_t next(std::uint32_t rank) const {
        std::size_t word = rank / 64;
        std::uint64_t rest = bits[word] & ~(bit_of(rank) | (bit_of(rank) - 1));
        while (rest == 0)
            rest = bits[++word];
        return static_cast<std::uint32_t>(word * 64) + highest_bit(rest & (~rest + 1));
    }

    std::uint32_t previous(std::uint32_t rank) const {
        std::size_t word = rank / 64;
        std::uint64_t rest = bits[word] & (bit_of(rank) - 1);
        while (rest == 0)
            rest = bits[--word];
        return static_cast<std::uint32_t>(word * 64) + highest_bit(rest);
    }

    // One pixel enters, another leaves. No branch depends on the values unless the next rank lies in another
    // word.
    void slide(std::uint32_t enters, std::uint32_t leaves) {
        if ((enters | leaves) & absent)
            return resize(enters, leaves);
        bits[enters / 64] ^= bit_of(enters);
        bits[leaves / 64] ^= bit_of(leaves);
        const std::uint64_t enters_above = all_if_less(middle, enters);
        const std::uint64_t up = enters_above & ~all_if_less(middle, leaves);
        const std::uint64_t down = ~(enters_above | all_if_less(leaves, middle));
        const std::uint64_t word = bits[middle / 64], here = bit_of(middle);
        const std::uint64_t above = word & ((~here + 1) << 1), below = word & (2 * here - 1) & ~(here & down);
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
};

// The medians of pixels begin ... end - 1.
template <typename T>
void stretch_median(const T* flux, const std::uint8_t* mask, T* out, std::size_t n_pixels, std::size_t half,
                    std::size_t begin, std::size_t end, MedianWorkspace& workspace) {
    const std::size_t from = begin - std::min(half, begin), to = std::min(n_pixels, end + half);
    const std::size_t n_reach = to - from, n_medians = end - begin;
    if (n_reach > pixel_mask)
        throw std::length_error("running_median: the window has more than 2^31 pixels");
    flux += from;
    out += begin;

    const std::size_t n_words = (n_reach + 2) / 64 + 1, n_ranks = n_medians + 2 * half + 1;
    auto& [words, numbers] = workspace;
    words.resize(std::max(words.size(), 2 * (n_reach + n_words)));
    numbers.resize(std::max(numbers.size(), n_ranks + n_digits * max_passes));
    std::uint64_t* const bits = words.data() + 2 * n_reach;
    std::uint32_t* const ranks = numbers.data();
    const auto [sorted, n] = sorted_pixels(flux, mask ? mask + from : nullptr, n_reach, words.data(),
                                           words.data() + n_reach, ranks + n_ranks);
    // The pixels around the first median, less the one that leaves there, ... those around the last.
    std::fill_n(ranks, n_ranks, absent);
    const std::size_t first_rank = half + 1 + from - begin;
    for (std::size_t i = 0; i < n; ++i)
        ranks[first_rank + (sorted[i] & pixel_mask)] = static_cast<std::uint32_t>(i + 1);

    const auto value = [flux, pixels = sorted](std::uint32_t rank) {
        return flux[pixels[rank - 1] & pixel_mask];
    };
    const auto median = [value](const Window& window) {
        if (window.middle == 0)
            return std::numeric_limits<T>::quiet_NaN();
        const T lower = value(window.middle);
        return window.excess == 0 ? lower : mean(lower, value(window.next(window.middle)));
    };
    // Two windows at once, one over each half: a step of one need not wait for the step of the other.
    const std::size_t middle = n_medians / 2;
    const auto last = static_cast<std::uint32_t>(n + 1);
    Window first{bits}, second{bits + n_words};
    first.fill(ranks, 2 * half + 1, last);
    second.fill(ranks + middle, 2 * half + 1, last);
    for (std::size_t i = 0, j = middle; j < n_medians; ++i, ++j) {
        first.slide(ranks[i + 2 * half + 1], ranks[i]); // of an odd number, the one in the middle comes twice
        second.slide(ranks[j + 2 * half + 1], ranks[j]);
        out[i] = median(first);
        out[j] = median(second);
    }
}

} // namespace

template <typename T>
void running_median(const T* flux, const std::uint8_t* mask, T* out, std::size_t n_pixels, std::size_t half,
                    MedianWorkspace& workspace) {
    half = std::min(half, n_pixels);
    if (half <= narrow_half)
        return narrow_median(flux, mask, out, n_pixels, half);
    // In stretches, so that memory stays small and the ranks in a window lie close together.
    const std::size_t most = std::max<std::size_t>(8192, 16 * half),
                      n_stretches = (n_pixels + most - 1) / most;
    const std::size_t length = (n_pixels + n_stretches - 1) / n_stretches;
    for (std::size_t begin = 0; begin < n_pixels; begin += length)
        stretch_median(flux, mask, out, n_pixels, half, begin, std::min(n_pixels, begin + length), workspace);
}

template void running_median<float>(const float*, const std::uint8_t*, float*, std::size_t, std::size_t,
                                    MedianWorkspace&);
template void running_median<double>(const double*, const std::uint8_t*, double*, std::size_t, std::size_t,
                                     MedianWorkspace&);

} // namespace maury

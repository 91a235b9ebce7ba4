// Sort once, then slide: the window is a set of ranks (a bit each), and the middle of the window moves by at
// most one set bit when a pixel enters and another leaves.
#include "maury/running_median.hpp"

#include "narrow_median.hpp"
#include "rank_sort.hpp"

#include <bitset>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <tuple>

namespace maury {
namespace {

std::uint32_t lowest_bit(std::uint64_t word) { // word != 0
    return static_cast<std::uint32_t>(__builtin_ctzll(word));
}

// A pixel that takes no part stands below or above all ranks, in turn. So a window always has 2 half + 1
// members with half of them below its middle, and that is the median of the usable ones, or one of the two
// middle ones if an odd number takes no part. The two ends are always in the window, so that a search ends;
// they are the middle of a window without a usable pixel.
constexpr std::uint32_t below = 0, lower_end = 1, first_rank = 2; // ..., upper_end, above

struct Window {
    // The members by rank and again, in reverse order, by rank ^ mirror: looking down is looking up there,
    // where every processor is fast.
    std::uint64_t* bits;
    std::uint32_t mirror; // 2^k - 1 >= 2 above + 1
    std::uint32_t middle = lower_end;

    void toggle(std::uint32_t rank) {
        bits[rank / 64] ^= std::uint64_t{1} << (rank % 64);
        rank ^= mirror;
        bits[rank / 64] ^= std::uint64_t{1} << (rank % 64);
    }

    // ranks (2 half + 1,)
    void fill(const std::uint32_t* ranks, std::size_t half, std::uint32_t upper_end) {
        std::fill_n(bits, mirror / 64 + 1, std::uint64_t{0});
        toggle(lower_end);
        toggle(upper_end);
        std::size_t before = half + 1; // bits before that of the middle
        for (std::size_t i = 0; i < 2 * half + 1; ++i)
            if (ranks[i] == below)
                --before;
            else if (ranks[i] < upper_end)
                toggle(ranks[i]);
        std::size_t word = 0;
        for (std::size_t here; (here = std::bitset<64>(bits[word]).count()) <= before; ++word)
            before -= here;
        std::uint64_t rest = bits[word];
        for (; before > 0; --before)
            rest &= rest - 1;
        middle = static_cast<std::uint32_t>(word * 64) + lowest_bit(rest);
    }

    // The first member from a place on, which is not where skip = 1.
    std::uint32_t first_from(std::uint32_t place, std::uint32_t skip) const {
        const std::uint64_t rest = bits[place / 64] >> (place % 64) & ~std::uint64_t{skip};
        if (rest != 0)
            return place + lowest_bit(rest);
        std::size_t word = place / 64 + 1;
        while (bits[word] == 0)
            ++word;
        return static_cast<std::uint32_t>(word * 64) + lowest_bit(bits[word]);
    }

    // A pixel that enters above the middle moves it up, unless the one that leaves was above too; likewise
    // below. If the middle itself leaves, the search goes on to the next member. No branch depends on the
    // values unless that lies in another word.
    void slide(std::uint32_t enters, std::uint32_t leaves) {
        toggle(enters);
        toggle(leaves);
        const std::uint32_t down = 0u - (enters < middle), left_below = 0u - (leaves < middle);
        const std::uint32_t turn = down & mirror;
        middle = first_from(middle ^ turn, (down ^ left_below) & 1) ^ turn;
    }

    std::uint32_t above_middle() const { return first_from(middle, 1); }
    std::uint32_t below_middle() const { return first_from(middle ^ mirror, 1) ^ mirror; }
};

// The pixels that a stretch of medians reaches, in the order in which they enter the window.
//
// ranks   (n_medians + 2 half + 1,)  from the pixel that leaves before the first median on
// lean    (n_medians + 2 half + 2,)  of those before that take no part, how many more are below than above
// values  by rank, NaN at the ends
template <typename T> struct Ranked {
    const std::uint32_t *ranks, *lean;
    const T* values;
    std::uint32_t upper_end;
    std::size_t usable_from, usable_to; // all of these take part
};

// For the medians of pixels begin ... end - 1.
template <typename T>
Ranked<T> rank_reach(const T* flux, const std::uint8_t* mask, std::size_t n_pixels, std::size_t half,
                     std::size_t begin, std::size_t end, MedianWorkspace& workspace) {
    const std::size_t from = begin - std::min(half, begin), to = std::min(n_pixels, end + half);
    const std::size_t n_reach = to - from, n_items = n_reach + block;
    if (n_reach >> 30)
        throw std::length_error("running_median: the window has 2^30 pixels or more");
    // Some of what enters lies beyond the ends of the spectrum.
    const std::size_t n_ranks = end - begin + 2 * half + 1, first = half + 1 - (begin - from);

    auto& numbers = workspace.numbers;
    auto& sorted = std::get<std::vector<T>>(workspace.values);
    numbers.resize(std::max(numbers.size(), 2 * n_ranks + 1 + 2 * n_items + n_counts));
    sorted.resize(std::max(sorted.size(), first_rank + n_reach + 1));
    std::uint32_t *const ranks = numbers.data(), *const lean = ranks + n_ranks;
    std::uint32_t *const items = lean + n_ranks + 1, *const spare = items + n_items;
    T* const values = sorted.data();

    std::fill_n(ranks, n_ranks, below);
    const std::size_t n = rank_pixels(flux + from, mask ? mask + from : nullptr, n_reach, values + first_rank,
                                      ranks + first, first_rank, items, spare, spare + n_items);
    const std::uint32_t upper_end = first_rank + static_cast<std::uint32_t>(n), above = upper_end + 1;
    values[lower_end] = values[upper_end] = std::numeric_limits<T>::quiet_NaN();

    std::uint32_t more_below = 0;
    for (std::size_t i = 0; i < n_ranks;) {
        const std::size_t stop = std::min(n_ranks, i + block);
        std::uint32_t any = 0;
        for (std::size_t k = i; k < stop; ++k)
            any |= ranks[k] == below;
        if (!any) {
            std::fill(lean + i, lean + stop, more_below);
            i = stop;
        }
        for (; i < stop; ++i) {
            lean[i] = more_below;
            const std::uint32_t no_part = ranks[i] == below;
            ranks[i] |= (0u - (no_part & more_below)) & above;
            more_below ^= no_part;
        }
    }
    lean[n_ranks] = more_below;
    return {ranks, lean, values, upper_end, first, n == n_reach ? first + n_reach : first};
}

// out (n_medians,)
template <typename T>
void slide(const Ranked<T>& reach, std::size_t half, T* out, std::size_t n_medians,
           std::vector<std::uint64_t>& words) {
    const auto [ranks, lean, values, upper_end, usable_from, usable_to] = reach;
    std::uint32_t mirror = 127;
    while (mirror / 2 < upper_end + 1)
        mirror = 2 * mirror + 1;
    const std::size_t n_words = mirror / 64 + 1, width = 2 * half + 1;
    words.resize(std::max(words.size(), 2 * n_words));

    const auto middle = [values = values](const Window& window, std::size_t) {
        return values[window.middle];
    };
    const auto median = [lean = lean, values = values, width](const Window& window, std::size_t i) {
        const std::uint32_t before = lean[i + 1], after = lean[i + 1 + width];
        const T value = values[window.middle];
        if (before == after)
            return value;
        return mean(value, values[before < after ? window.above_middle() : window.below_middle()]);
    };
    // Two windows at once, one over each half: a step of one need not wait for the step of the other.
    const std::size_t offset = n_medians / 2, n_steps = n_medians - offset;
    Window lower{words.data(), mirror}, upper{words.data() + n_words, mirror};
    lower.fill(ranks, half, upper_end);
    upper.fill(ranks + offset, half, upper_end);
    const auto steps = [&, ranks = ranks](std::size_t i, std::size_t stop, auto lower_median,
                                          auto upper_median) {
        Window one = lower, two = upper; // in registers
        for (; i < stop; ++i) {          // of an odd number, the one in the middle comes twice
            one.slide(ranks[i + width], ranks[i]);
            two.slide(ranks[i + offset + width], ranks[i + offset]);
            out[i] = lower_median(one, i);
            out[i + offset] = upper_median(two, i + offset);
        }
        lower = one;
        upper = two;
    };
    // With all pixels usable, the lower window is whole once it has left the lower end of the spectrum, the
    // upper one until it meets the upper end.
    const std::size_t left = usable_from - 1, met = usable_to - std::min(usable_to, offset + width);
    if (left < met) {
        const std::size_t stop = std::min(met, n_steps);
        steps(0, left, median, middle);
        steps(left, stop, middle, middle);
        steps(stop, n_steps, middle, median);
    } else {
        steps(0, n_steps, median, median);
    }
}

} // namespace

template <typename T>
void running_median(const T* flux, const std::uint8_t* mask, T* out, std::size_t n_pixels, std::size_t half,
                    MedianWorkspace& workspace) {
    half = std::min(half, n_pixels);
    const auto negative_zero = [](T x) { return x == 0 && std::signbit(x); }; // std::min takes it for 0
    if (half <= narrow_half && std::none_of(flux, flux + n_pixels, negative_zero))
        return narrow_median(flux, mask, out, n_pixels, half);
    // In stretches, so that memory stays small and the ranks in a window lie close together.
    const std::size_t most = std::max({std::size_t{1024}, std::min(std::size_t{8192}, 64 * half), 8 * half}),
                      n_stretches = (n_pixels + most - 1) / most;
    const std::size_t length = (n_pixels + n_stretches - 1) / n_stretches;
    for (std::size_t begin = 0; begin < n_pixels; begin += length) {
        const std::size_t end = std::min(n_pixels, begin + length);
        const Ranked<T> reach = rank_reach(flux, mask, n_pixels, half, begin, end, workspace);
        slide(reach, half, out + begin, end - begin, workspace.words);
    }
}

template void running_median<float>(const float*, const std::uint8_t*, float*, std::size_t, std::size_t,
                                    MedianWorkspace&);
template void running_median<double>(const double*, const std::uint8_t*, double*, std::size_t, std::size_t,
                                     MedianWorkspace&);

} // namespace maury

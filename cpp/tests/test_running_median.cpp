// Against a median by sorting, for both precisions, with masks, gaps and ties.
#include "../src/rank_sort.hpp"
#include "check.hpp"
#include "heap_count.hpp"
#include "maury/running_median.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace {

template <typename T> bool before(T a, T b) {
    return a < b || (a == b && std::signbit(a) && !std::signbit(b));
}

template <typename T>
T by_sorting(const std::vector<T>& flux, const std::vector<std::uint8_t>& mask, std::size_t i,
             std::size_t half) {
    std::vector<T> window;
    for (std::size_t p = i - std::min(i, half); p < flux.size() && p <= i + half; ++p)
        if (!mask[p] && std::isfinite(flux[p]))
            window.push_back(flux[p]);
    std::sort(window.begin(), window.end(), before<T>);
    const std::size_t n = window.size();
    if (n == 0)
        return std::numeric_limits<T>::quiet_NaN();
    if (n % 2)
        return window[n / 2];
    const T a = window[n / 2 - 1], b = window[n / 2];
    return std::isinf(a + b) ? a / 2 + b / 2 : (a + b) / 2;
}

template <typename T> bool same(T got, T wanted) { // to the bit, but for the many NaN
    return std::isnan(wanted) ? std::isnan(got) : got == wanted && std::signbit(got) == std::signbit(wanted);
}

template <typename T> void against_sorting() {
    std::mt19937_64 random(3);
    std::uniform_real_distribution<double> uniform(-1.0, 1.0);
    for (int trial = 0; trial < 300; ++trial) {
        const std::size_t n_pixels = random() % 60, half = random() % 40;
        std::vector<T> flux(n_pixels), out(n_pixels);
        std::vector<std::uint8_t> mask(n_pixels);
        for (std::size_t p = 0; p < n_pixels; ++p) {
            const double value = uniform(random);
            flux[p] = static_cast<T>(trial % 2 ? value : std::round(3.0 * value)); // half of the trials: ties
            mask[p] = uniform(random) < trial % 5 * 0.4 - 1.0;
            if (random() % 9 == 0)
                flux[p] =
                    random() % 2 ? std::numeric_limits<T>::quiet_NaN() : std::numeric_limits<T>::infinity();
        }
        maury::running_median(flux.data(), mask.data(), out.data(), n_pixels, half);
        for (std::size_t p = 0; p < n_pixels; ++p) {
            const T wanted = by_sorting(flux, mask, p, half);
            CHECK(same(out[p], wanted));
        }
        const std::vector<std::uint8_t> none(n_pixels);
        std::vector<T> unmasked(n_pixels);
        maury::running_median(flux.data(), none.data(), out.data(), n_pixels, half);
        maury::running_median(flux.data(), nullptr, unmasked.data(), n_pixels, half);
        for (std::size_t p = 0; p < n_pixels; ++p)
            CHECK(same(out[p], unmasked[p]));
    }
}

enum class Kind {
    smooth,
    crosses_zero,
    ties,
    nearly_equal,
    denormal,
    constant,
    few_spikes,  // outside the range of the keys
    many_spikes, // inside: nearly all other pixels share a key, and all bits have to be sorted
    every_exponent,
    huge, // the sum of two overflows
    rising,
    falling,
    sawtooth,
    signed_zeros,
    n_kinds
};

template <typename T> std::vector<T> spectrum(Kind kind, std::size_t n_pixels, std::mt19937_64& random) {
    using limits = std::numeric_limits<T>;
    std::normal_distribution<double> normal;
    std::vector<T> flux(n_pixels);
    for (std::size_t p = 0; p < n_pixels; ++p) {
        const T value = static_cast<T>(normal(random)), steps = std::round(100 * value);
        const std::uint64_t dice = random() % 1000;
        const int exponent = limits::min_exponent + static_cast<int>(dice) * (limits::max_exponent / 500);
        flux[p] = kind == Kind::smooth           ? 1 + value / 20
                  : kind == Kind::crosses_zero   ? value
                  : kind == Kind::ties           ? std::round(value)
                  : kind == Kind::nearly_equal   ? 1 + limits::epsilon() * steps
                  : kind == Kind::denormal       ? limits::denorm_min() * steps
                  : kind == Kind::constant       ? T(2)
                  : kind == Kind::few_spikes     ? (dice < 10 ? T(1e6) * value : 1 + value / 20)
                  : kind == Kind::many_spikes    ? (dice < 500 ? T(1e12) * value : 1 + value / 20)
                  : kind == Kind::every_exponent ? std::ldexp(value, exponent)
                  : kind == Kind::huge           ? limits::max() * (1 - static_cast<T>(dice) / 500)
                  : kind == Kind::rising         ? static_cast<T>(p)
                  : kind == Kind::falling        ? -static_cast<T>(p)
                  : kind == Kind::sawtooth       ? static_cast<T>(p % 50)
                                                 : static_cast<T>(dice % 3 == 0   ? value
                                                                  : dice % 3 == 1 ? 0.0
                                                                                  : -0.0);
    }
    return flux;
}

// Windows of every width.
template <typename T> void long_spectra() {
    std::mt19937_64 random(5);
    maury::MedianWorkspace workspace; // of a longer spectrum before, or a shorter one
    for (int trial = 0; trial < 10 * static_cast<int>(Kind::n_kinds); ++trial) {
        const std::size_t n_pixels = 200 + random() % 600, half = random() % (trial % 2 ? 20 : 900);
        const auto flux = spectrum<T>(static_cast<Kind>(trial / 10), n_pixels, random);
        std::vector<T> out(n_pixels);
        std::vector<std::uint8_t> mask(n_pixels);
        for (std::size_t p = 0; p < n_pixels; ++p)
            mask[p] = trial % 3 == 0 && random() % 4 == 0;
        maury::running_median(flux.data(), mask.data(), out.data(), n_pixels, half, workspace);
        for (std::size_t p = 0; p < n_pixels; ++p)
            CHECK(same(out[p], by_sorting(flux, mask, p, half)));
    }
}

// The spectrum is cut into stretches, the shorter the narrower the window.
void stretches() {
    std::mt19937_64 random(7);
    const std::size_t n_pixels = 20001;
    const auto flux = spectrum<double>(Kind::smooth, n_pixels, random);
    std::vector<double> out(n_pixels);
    std::vector<std::uint8_t> mask(n_pixels);
    for (const std::size_t half : {4u, 17u, 40u, 200u, 1300u}) {
        maury::running_median(flux.data(), mask.data(), out.data(), n_pixels, half);
        for (std::size_t p = 0; p < n_pixels; p += 1 + half / 16)
            CHECK(same(out[p], by_sorting(flux, mask, p, half)));
        mask[random() % n_pixels] = 1;
    }
}

// Ranks by the linear key, and by all bits where that gives up.
template <typename T> void ranks() {
    std::mt19937_64 random(11);
    const std::size_t n_pixels = 1000;
    std::vector<maury::Item> items(n_pixels + maury::block), spare(n_pixels + maury::block);
    std::vector<std::uint32_t> numbers(n_pixels), counts(maury::n_counts);
    std::vector<T> values(n_pixels);
    for (int kind = 0; kind < static_cast<int>(Kind::n_kinds); ++kind) {
        const auto flux = spectrum<T>(static_cast<Kind>(kind), n_pixels, random);
        auto wanted = flux;
        std::sort(wanted.begin(), wanted.end(), before<T>);
        maury::rank_pixels<T>(flux.data(), nullptr, n_pixels, values.data(), numbers.data(), 0, items.data(),
                              spare.data(), counts.data());
        for (std::size_t i = 0; i < n_pixels; ++i)
            CHECK(same(values[i], wanted[i]) && same(values[numbers[i]], flux[i]));

        std::iota(items.begin(), items.end(), 0u);
        const maury::Item* const sorted = maury::sort_by_all_bits(flux.data(), items.data(), spare.data(),
                                                                  n_pixels, ~maury::Item{0}, counts.data());
        for (std::size_t i = 0; i < n_pixels; ++i)
            CHECK(same(flux[sorted[i]], wanted[i]));
    }
}

// Time grows with the number of pixels, not its square: it gives up once they move by more than 4 places
// each.
void gives_up() {
    const std::size_t n_pixels = 1000;
    std::vector<double> flux(n_pixels), values(n_pixels);
    std::vector<std::uint32_t> numbers(n_pixels);
    const auto rank = [&](std::size_t run) { // each falls, and takes n_pixels (run - 1) / 2 moves
        for (std::size_t p = 0; p < n_pixels; ++p)
            flux[p] = static_cast<double>(p / run * run) - static_cast<double>(p % run);
        std::vector<maury::Item> items(n_pixels);
        std::iota(items.begin(), items.end(), 0u);
        return maury::rank_nearly_sorted(flux.data(), items.data(), n_pixels, ~maury::Item{0}, values.data(),
                                         numbers.data(), 0);
    };
    CHECK(rank(8));
    CHECK(std::is_sorted(values.begin(), values.end()));
    CHECK(!rank(11));
    CHECK(!rank(n_pixels));
}

template <typename T> void ends() {
    const T huge = std::numeric_limits<T>::max(), none = std::numeric_limits<T>::infinity();
    const std::vector<T> flux{huge, huge, none, -none, T(-0.0), T(0.0)};
    for (const std::size_t half : {std::size_t{0}, std::size_t{1}, std::size_t{4}, ~std::size_t{0}}) {
        std::vector<T> out(flux.size(), T(-1));
        maury::running_median<T>(flux.data(), nullptr, out.data(), 0, half);
        CHECK(out[0] == -1);
        maury::running_median<T>(flux.data(), nullptr, out.data(), 1, half);
        CHECK(out[0] == huge);
        maury::running_median<T>(flux.data(), nullptr, out.data(), 2,
                                 half); // the sum overflows, the mean does not
        CHECK(out[0] == huge && out[1] == huge);
        maury::running_median<T>(flux.data() + 2, nullptr, out.data(), 2, half);
        CHECK(std::isnan(out[0]) && std::isnan(out[1]));
        maury::running_median<T>(flux.data() + 4, nullptr, out.data(), 2, half);
        CHECK(out[half > 0] == 0 && std::signbit(out[0]) == (half == 0));
    }
}

void second_spectrum_allocates_nothing() {
    std::vector<double> flux(3000), out(3000);
    for (std::size_t p = 0; p < flux.size(); ++p)
        flux[p] = std::sin(static_cast<double>(p * p));
    maury::MedianWorkspace workspace;
    maury::running_median(flux.data(), nullptr, out.data(), flux.size(), 200, workspace);
    const long before = heap_allocations();
    maury::running_median(flux.data(), nullptr, out.data(), flux.size(), 200, workspace);
    CHECK(heap_allocations() == before);
}

} // namespace

int main() {
    against_sorting<float>();
    against_sorting<double>();
    long_spectra<float>();
    long_spectra<double>();
    stretches();
    ranks<float>();
    ranks<double>();
    gives_up();
    ends<float>();
    ends<double>();
    second_spectrum_allocates_nothing();
    return check::report();
}

// Against a median by sorting, for both precisions, with masks, gaps and ties.
#include "check.hpp"
#include "heap_count.hpp"
#include "maury/running_median.hpp"

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

namespace {

template <typename T>
T by_sorting(const std::vector<T>& flux, const std::vector<std::uint8_t>& mask, std::size_t i,
             std::size_t half) {
    std::vector<T> window;
    for (std::size_t p = 0; p < flux.size(); ++p)
        if (p + half >= i && p <= i + half && !mask[p] && std::isfinite(flux[p]))
            window.push_back(flux[p]);
    std::sort(window.begin(), window.end());
    const std::size_t n = window.size();
    if (n == 0)
        return std::numeric_limits<T>::quiet_NaN();
    return n % 2 ? window[n / 2] : (window[n / 2 - 1] + window[n / 2]) / 2;
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
            CHECK(std::isnan(wanted) ? std::isnan(out[p]) : out[p] == wanted);
        }
        const std::vector<std::uint8_t> none(n_pixels);
        std::vector<T> unmasked(n_pixels);
        maury::running_median(flux.data(), none.data(), out.data(), n_pixels, half);
        maury::running_median(flux.data(), nullptr, unmasked.data(), n_pixels, half);
        for (std::size_t p = 0; p < n_pixels; ++p)
            CHECK(out[p] == unmasked[p] || (std::isnan(out[p]) && std::isnan(unmasked[p])));
    }
}

template <typename T> bool same(T got, T wanted) {
    return std::isnan(wanted) ? std::isnan(got) : got == wanted;
}

enum class Kind { smooth, crosses_zero, ties, nearly_equal, denormal, constant };

// Enough pixels to be sorted by digits, and windows of every width.
template <typename T> void long_spectra() {
    std::mt19937_64 random(5);
    std::normal_distribution<double> normal;
    maury::MedianWorkspace workspace; // of a longer spectrum before, or a shorter one
    for (int trial = 0; trial < 60; ++trial) {
        const auto kind = static_cast<Kind>(trial % 6);
        const std::size_t n_pixels = 200 + random() % 600, half = random() % (trial % 2 ? 20 : 900);
        std::vector<T> flux(n_pixels), out(n_pixels);
        std::vector<std::uint8_t> mask(n_pixels);
        for (std::size_t p = 0; p < n_pixels; ++p) {
            const T value = static_cast<T>(normal(random));
            const T steps = std::round(100 * value);
            flux[p] = kind == Kind::smooth         ? 1 + value / 20
                      : kind == Kind::crosses_zero ? value
                      : kind == Kind::ties         ? std::round(value)
                      : kind == Kind::nearly_equal ? 1 + std::numeric_limits<T>::epsilon() * steps
                      : kind == Kind::denormal     ? std::numeric_limits<T>::denorm_min() * steps
                                                   : T(2);
            mask[p] = trial % 3 == 0 && random() % 4 == 0;
        }
        maury::running_median(flux.data(), mask.data(), out.data(), n_pixels, half, workspace);
        for (std::size_t p = 0; p < n_pixels; ++p)
            CHECK(same(out[p], by_sorting(flux, mask, p, half)));
    }
}

// The spectrum is cut into stretches of at least 8192 pixels.
void stretches() {
    std::mt19937_64 random(7);
    std::normal_distribution<double> normal;
    const std::size_t n_pixels = 20001;
    std::vector<double> flux(n_pixels), out(n_pixels);
    for (double& value : flux)
        value = normal(random);
    const std::vector<std::uint8_t> mask(n_pixels);
    for (const std::size_t half : {4u, 100u, 700u}) {
        maury::running_median(flux.data(), mask.data(), out.data(), n_pixels, half);
        for (std::size_t p = 0; p < n_pixels; p += p % 6667 < 5 || p % 6667 > 6660 ? 1 : 333)
            CHECK(out[p] == by_sorting(flux, mask, p, half));
    }
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
        CHECK(out[0] == 0 && out[1] == 0);
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
    ends<float>();
    ends<double>();
    second_spectrum_allocates_nothing();
    return check::report();
}

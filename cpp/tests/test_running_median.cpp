// Against a median by sorting, for both precisions, with masks, gaps and ties.
#include "check.hpp"
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

} // namespace

int main() {
    against_sorting<float>();
    against_sorting<double>();
    return check::report();
}

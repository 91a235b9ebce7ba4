#include "maury/shift_scan.hpp"

#include "maury/parallel.hpp"
#include "simd/kernels.hpp"
#include "spectrum.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace maury {
namespace {

constexpr std::ptrdiff_t coarse = 3; // pixels: no line of a spectrograph is narrower
constexpr double least_flux = 0.0, most_flux = 1.5;

// Half of the squares of the templates, for their part of chi2.
std::vector<float> half_squares(const float* templates, std::size_t n) {
    std::vector<float> half(n);
    for (std::size_t i = 0; i < n; ++i)
        half[i] = 0.5f * templates[i] * templates[i];
    return half;
}

// One spectrum, gathered on the grid: sum of w, and of w flux, each pixel shared by the two next to its
// centre.
struct Gathered {
    std::vector<float> weight, product;
};

} // namespace

template <typename Number>
void scan_shift(const Observed& observed, std::size_t n_spectra, const Number* flux, const Number* ivar,
                const float* templates, std::size_t n_templates, std::size_t n_grid, const double* scatter,
                double most_shift, double* shift, int threads, const std::function<void(std::size_t)>& wake) {
    const auto most = static_cast<std::ptrdiff_t>(std::ceil(most_shift));
    const auto last = static_cast<std::ptrdiff_t>(n_grid) - 1;
    const std::ptrdiff_t n = last + 1 - 2 * most; // cells that no shift takes off the grid
    std::fill_n(shift, n_spectra, std::numeric_limits<double>::quiet_NaN());
    if (n_spectra == 0 || n < 1 || n_templates == 0)
        return;
    const std::vector<float> squares = half_squares(templates, n_templates * n_grid);
    std::vector<Gathered> memory(worker_count(n_spectra, threads));

    const auto gather = [&](std::size_t i, Gathered& cells) {
        cells.weight.assign(static_cast<std::size_t>(n), 0.0f);
        cells.product.assign(static_cast<std::size_t>(n), 0.0f);
        const std::size_t n_pixels = observed.n_pixels, grid = observed.one_grid ? 0 : i * n_pixels;
        bool any = false;
        for (std::size_t p = 0; p < n_pixels; ++p) {
            const double u = 0.5 * (observed.pixels.low[grid + p] + observed.pixels.high[grid + p]);
            const double f = static_cast<double>(flux[i * n_pixels + p]),
                         inverse = static_cast<double>(ivar[i * n_pixels + p]);
            if (!(inverse > 0.0 && std::isfinite(f) && u >= static_cast<double>(most) &&
                  u < static_cast<double>(last - most)))
                continue;
            const auto left = static_cast<std::ptrdiff_t>(u);
            const double part = u - static_cast<double>(left),
                         weight = weight_of(inverse, scatter ? scatter[left] : 0.0);
            if (!std::isfinite(weight))
                continue;
            const double value = weight * std::clamp(f, least_flux, most_flux);
            const auto cell = static_cast<std::size_t>(left - most);
            cells.weight[cell] += static_cast<float>((1.0 - part) * weight);
            cells.product[cell] += static_cast<float>((1.0 - part) * value);
            if (cell + 1 < cells.weight.size()) {
                cells.weight[cell + 1] += static_cast<float>(part * weight);
                cells.product[cell + 1] += static_cast<float>(part * value);
            }
            any = true;
        }
        return any;
    };
    const auto scan = [&](std::size_t worker, std::size_t i, const StopFlag& stop) {
        Gathered& cells = memory[worker];
        if (!gather(i, cells))
            return;
        // chi2 / 2, less what no template changes
        const auto value = [&](std::size_t t, std::ptrdiff_t lag) {
            const std::ptrdiff_t from = static_cast<std::ptrdiff_t>(t * n_grid) + most - lag;
            const auto dot = simd::kernels().dot_single;
            return static_cast<double>(dot(cells.weight.data(), squares.data() + from, cells.weight.size())) -
                   static_cast<double>(dot(cells.product.data(), templates + from, cells.weight.size()));
        };
        double least = std::numeric_limits<double>::infinity();
        std::size_t best = 0;
        std::ptrdiff_t at = 0;
        for (std::size_t t = 0; t < n_templates; ++t) {
            stop.check();
            for (std::ptrdiff_t lag = -most; lag <= most; lag += coarse)
                if (const double here = value(t, lag); here < least) {
                    least = here;
                    best = t;
                    at = lag;
                }
        }
        const std::ptrdiff_t from = std::max(-most, at - coarse), to = std::min(most, at + coarse);
        for (std::ptrdiff_t lag = from; lag <= to; ++lag)
            if (const double here = value(best, lag); here < least) {
                least = here;
                at = lag;
            }
        shift[i] = static_cast<double>(at);
        if (at > -most && at < most) { // the lowest point of the parabola through three
            const double before = value(best, at - 1), after = value(best, at + 1);
            const double bend = before - 2.0 * least + after;
            if (bend > 0.0)
                shift[i] += 0.5 * (before - after) / bend;
        }
        shift[i] = std::clamp(shift[i], -most_shift, most_shift);
    };
    parallel_for(n_spectra, threads, scan, wake);
}

template void scan_shift<float>(const Observed&, std::size_t, const float*, const float*, const float*,
                                std::size_t, std::size_t, const double*, double, double*, int,
                                const std::function<void(std::size_t)>&);
template void scan_shift<double>(const Observed&, std::size_t, const double*, const double*, const float*,
                                 std::size_t, std::size_t, const double*, double, double*, int,
                                 const std::function<void(std::size_t)>&);

} // namespace maury

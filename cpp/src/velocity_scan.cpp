#include "velocity_scan.hpp"

#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {
namespace {

constexpr std::ptrdiff_t coarse = 3; // pixels: no line of a spectrograph is narrower
constexpr double least_flux = 0.0, most_flux = 1.5;

} // namespace

// On the cells that no shift takes off the grid; each pixel is shared by the two next to its centre.
bool VelocityScan::gather(const double* place, const double* flux, const double* weight, std::size_t n,
                          bool use_scatter, std::ptrdiff_t most) {
    const WavelengthGrid& grid = plan_.grid();
    const auto last = static_cast<std::ptrdiff_t>(grid.size()) - 1;
    half_weights_.assign(static_cast<std::size_t>(last + 1 - 2 * most), 0.0f);
    products_.assign(half_weights_.size(), 0.0f);
    double heaviest = 0.0; // float32 has a small range
    for (std::size_t p = 0; p < n; ++p)
        heaviest = std::max(heaviest, weight[p]);
    bool any = false;
    for (std::size_t p = 0; p < n; ++p) {
        const double u = place[p];
        if (!(weight[p] > 0.0 && u >= static_cast<double>(most) && u < static_cast<double>(last - most)))
            continue;
        const auto left = static_cast<std::ptrdiff_t>(u);
        const double part = u - static_cast<double>(left);
        const double scatter = use_scatter ? grid.scatter(static_cast<double>(left)) : 0.0;
        const double here = weight[p] / (1.0 + weight[p] * scatter * scatter) / heaviest;
        const double value = here * std::clamp(flux[p], least_flux, most_flux);
        const auto cell = static_cast<std::size_t>(left - most);
        half_weights_[cell] += static_cast<float>(0.5 * (1.0 - part) * here);
        products_[cell] += static_cast<float>((1.0 - part) * value);
        if (cell + 1 < products_.size()) {
            half_weights_[cell + 1] += static_cast<float>(0.5 * part * here);
            products_[cell + 1] += static_cast<float>(part * value);
        }
        any = true;
    }
    return any;
}

double VelocityScan::operator()(const double* place, const double* flux, const double* weight, std::size_t n,
                                bool use_scatter, double most_shift, const StopFlag& stop) {
    const auto most = static_cast<std::ptrdiff_t>(std::ceil(most_shift));
    const std::size_t n_grid = plan_.grid().size(), n_templates = plan_.n_templates();
    if (static_cast<std::ptrdiff_t>(n_grid) <= 2 * most || n_templates == 0 ||
        !gather(place, flux, weight, n, use_scatter, most))
        return std::numeric_limits<double>::quiet_NaN();
    // chi2 / 2 of template t, without the term that is the same for all, at lags first, first + step, ...
    const auto values = [&](std::size_t t, std::ptrdiff_t first, std::ptrdiff_t step, std::size_t n_lags) {
        values_.resize(n_lags);
        simd::kernels().lags(half_weights_.data(), products_.data(), products_.size(),
                             plan_.templates() + static_cast<std::ptrdiff_t>(t * n_grid) + most - first, step,
                             n_lags, values_.data());
    };
    double least = std::numeric_limits<double>::infinity();
    std::size_t best = 0;
    std::ptrdiff_t at = 0;
    for (std::size_t t = 0; t < n_templates; ++t) {
        stop.check();
        values(t, -most, coarse, static_cast<std::size_t>(2 * most / coarse + 1));
        const auto lowest = std::min_element(values_.begin(), values_.end());
        if (*lowest < least) {
            least = *lowest;
            best = t;
            at = coarse * (lowest - values_.begin()) - most;
        }
    }
    if (!std::isfinite(least))
        return std::numeric_limits<double>::quiet_NaN();
    const std::ptrdiff_t from = std::max(-most, at - coarse), to = std::min(most, at + coarse);
    values(best, from, 1, static_cast<std::size_t>(to - from + 1));
    const auto lowest = std::min_element(values_.begin(), values_.end());
    at = from + (lowest - values_.begin());
    double shift = static_cast<double>(at);
    if (lowest != values_.begin() &&
        lowest + 1 != values_.end()) { // the lowest point of the parabola through three
        const double before = lowest[-1], here = *lowest, after = lowest[1];
        const double bend = before - 2.0 * here + after;
        if (bend > 0.0)
            shift += 0.5 * (before - after) / bend;
    }
    return std::clamp(shift, -most_shift, most_shift);
}

} // namespace maury

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
    weights_.assign(static_cast<std::size_t>(last + 1 - 2 * most), 0.0f);
    products_.assign(weights_.size(), 0.0f);
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
        weights_[cell] += static_cast<float>((1.0 - part) * here);
        products_[cell] += static_cast<float>((1.0 - part) * value);
        if (cell + 1 < weights_.size()) {
            weights_[cell + 1] += static_cast<float>(part * here);
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
    // chi2 / 2, less what no template changes
    const auto value = [&](std::size_t t, std::ptrdiff_t lag) {
        const std::ptrdiff_t from = static_cast<std::ptrdiff_t>(t * n_grid) + most - lag;
        const auto dot = simd::kernels().dot_single;
        return static_cast<double>(dot(weights_.data(), plan_.half_squares() + from, weights_.size())) -
               static_cast<double>(dot(products_.data(), plan_.templates() + from, weights_.size()));
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
    double shift = static_cast<double>(at);
    if (at > -most && at < most) { // the lowest point of the parabola through three
        const double before = value(best, at - 1), after = value(best, at + 1);
        const double bend = before - 2.0 * least + after;
        if (bend > 0.0)
            shift += 0.5 * (before - after) / bend;
    }
    return std::clamp(shift, -most_shift, most_shift);
}

} // namespace maury

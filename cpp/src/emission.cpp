#include "emission.hpp"

#include "maury/wavelength_grid.hpp"
#include "median.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {
namespace {

constexpr double not_known = std::numeric_limits<double>::quiet_NaN();
constexpr std::array<double, 3> widths = {90.0, 180.0, 360.0}; // sigma of the profiles [km/s]
constexpr double around = 3000.0;     // km/s; the residual in this range shows the quality of the fit
constexpr double away = 1200.0;       // km/s; beyond the widest profile
constexpr std::size_t few_pixels = 5; // beside a line
constexpr double enough = 8.0;        // significance
constexpr double least_height = 0.05; // in units of the normalised continuum
constexpr double least_alone = 0.2;   // of H alpha
constexpr double normal_median = 0.6744897501960817;

} // namespace

void EmissionSearch::find(const NormalisedFit& fit, double rv, double line, double& height,
                          double& significance) {
    height = significance = not_known;
    const double at = line * (1.0 + (std::isfinite(rv) ? rv : 0.0) / speed_of_light);
    const auto velocity = [&](std::size_t p) { return speed_of_light * (fit.wavelength[p] / at - 1.0); };
    const double low = at * (1.0 - around / speed_of_light), high = at * (1.0 + around / speed_of_light);
    const auto inside = [&](std::size_t p) { return fit.wavelength[p] > low && fit.wavelength[p] < high; };
    std::size_t first = 0, end = fit.n;
    while (first < end && !inside(first))
        ++first;
    while (end > first && !inside(end - 1))
        --end;
    const std::size_t n = end - first;
    velocity_.resize(n);
    residual_.resize(n);
    weight_.resize(n);
    beside_.resize(n);
    above_.resize(n);
    std::size_t n_beside = 0;
    bool covered = false;
    for (std::size_t i = 0; i < n; ++i) {
        const std::size_t p = first + i;
        const double v = velocity(p), residual = fit.flux[p] - fit.model[p];
        const bool used = fit.ivar[p] > 0.0 && std::isfinite(residual) && std::abs(v) < around;
        velocity_[i] = v;
        residual_[i] = used ? residual : 0.0;
        weight_[i] = used ? 1.0 / (1.0 / fit.ivar[p] + fit.scatter[p] * fit.scatter[p]) : 0.0;
        beside_[i] = weight_[i] > 0.0 && std::abs(v) > away;
        n_beside += beside_[i] != 0;
        covered = covered || (weight_[i] > 0.0 && std::abs(v) < widths[0]);
    }
    if (!covered || n_beside < few_pixels)
        return;
    smooth_ = residual_;
    for (std::size_t i = 1; i + 1 < n; ++i)
        smooth_[i] = std::clamp(residual_[i], std::min(residual_[i - 1], residual_[i + 1]),
                                std::max(residual_[i - 1], residual_[i + 1]));
    const double middle = median_beside(smooth_);
    for (std::size_t i = 0; i < n; ++i) {
        smooth_[i] -= middle;
        above_[i] = std::abs(smooth_[i]) * std::sqrt(weight_[i]);
    }
    const double worse = std::max(1.0, median_beside(above_) / normal_median);
    for (const double width : widths) {
        double information = 0.0, sum = 0.0;
        for (std::size_t i = 0; i < n; ++i) {
            if (!(weight_[i] > 0.0))
                continue;
            const double x = velocity_[i] / width, profile = std::exp(-0.5 * x * x);
            information += weight_[i] * profile * profile;
            sum += weight_[i] * smooth_[i] * profile;
        }
        const double a = sum / information, sigma = a * std::sqrt(information) / worse;
        if (!(sigma < significance)) {
            height = a;
            significance = sigma;
        }
    }
}

double EmissionSearch::median_beside(const std::vector<double>& values) {
    some_.clear();
    for (std::size_t i = 0; i < values.size(); ++i)
        if (beside_[i])
            some_.push_back(values[i]);
    return median(some_);
}

bool shows_emission(const double* height, const double* significance) {
    int n = 0;
    for (std::size_t line = 0; line < emission_lines.size(); ++line)
        n += significance[line] > enough && height[line] > least_height;
    return n >= 2 || (significance[0] > enough && height[0] > least_alone);
}

} // namespace maury

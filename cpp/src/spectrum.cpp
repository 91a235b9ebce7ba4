#include "spectrum.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace maury {

template <typename Number>
std::size_t Spectrum::set(std::size_t n_pixels, const Number* flux, const Number* ivar,
                          const double* scatter) {
    for (auto* values : {&flux_, &ivar_, &weight_})
        values->resize(n_pixels);
    std::size_t usable = 0;
    for (std::size_t p = 0; p < n_pixels; ++p) {
        const double f = static_cast<double>(flux[p]), inverse = static_cast<double>(ivar[p]);
        const double weight = weight_of(inverse, scatter ? scatter[p] : 0.0);
        const bool good =
            std::isfinite(f) && std::isfinite(inverse) && inverse > 0.0 && std::isfinite(weight);
        weight_[p] = good ? weight : 0.0;
        flux_[p] = good ? f : 0.0;
        ivar_[p] = good ? inverse : 0.0;
        usable += good;
    }
    return usable;
}

template std::size_t Spectrum::set<float>(std::size_t, const float*, const float*, const double*);
template std::size_t Spectrum::set<double>(std::size_t, const double*, const double*, const double*);

// Most spectra are fitted so well that half the numbers lie below 1 / 1.4826: then the median is not needed.
// All squared.
Spectrum::Clipped Spectrum::clip(const double* model, double limit) {
    constexpr double normal_median = 1.0 / 1.4826;
    squares_.resize(size());
    std::size_t n_used = 0, n_high = 0;
    for (std::size_t p = 0; p < size(); ++p) {
        const double residual = flux_[p] - model[p];
        squares_[p] = weight_[p] * residual * residual;
        n_used += weight_[p] > 0.0;
        n_high += squares_[p] > normal_median * normal_median;
    }
    const double width = n_used - n_high > n_used / 2 ? 1.0 : std::max(1.0, 1.4826 * median_pull(n_used));
    const double most = limit * width * (limit * width);
    Clipped clipped{0, 0.0};
    clipped_.clear();
    for (std::size_t p = 0; p < size(); ++p)
        if (squares_[p] > most) {
            clipped_.push_back({p, weight_[p]});
            flux_[p] = ivar_[p] = weight_[p] = 0.0;
            ++clipped.n;
            clipped.chi2 += squares_[p];
        }
    return clipped;
}

// The n / 2-th of the n used pixels, by counting: of the bin that holds it the members are put in order.
double Spectrum::median_pull(std::size_t n) {
    constexpr std::size_t n_bins = 1024;
    constexpr double bins_a_unit = 64.0;
    const auto bin_of = [](double square) {
        return static_cast<std::size_t>(std::min(static_cast<double>(n_bins - 1), square * bins_a_unit));
    };
    std::uint32_t count[n_bins] = {};
    for (std::size_t p = 0; p < size(); ++p)
        count[bin_of(squares_[p])] += weight_[p] > 0.0;
    std::size_t bin = 0, before = 0;
    while (bin + 1 < n_bins && before + count[bin] <= n / 2)
        before += count[bin++];
    used_.clear();
    for (std::size_t p = 0; p < size(); ++p)
        if (weight_[p] > 0.0 && bin_of(squares_[p]) == bin)
            used_.push_back(squares_[p]);
    if (used_.empty())
        return 0.0;
    const auto middle = used_.begin() + static_cast<std::ptrdiff_t>(n / 2 - before);
    std::nth_element(used_.begin(), middle, used_.end());
    return std::sqrt(*middle);
}

} // namespace maury

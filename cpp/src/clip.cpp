#include "clip.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace maury {

// Most spectra are fitted so well that half the numbers lie below 1 / 1.4826: then the median is not needed.
// All squared.
void Clip::find(const double* data, const double* fitted, const double* weight, std::size_t n, double limit) {
    constexpr double normal_median = 1.0 / 1.4826;
    squares_.resize(n);
    std::size_t n_used = 0, n_high = 0;
    for (std::size_t p = 0; p < n; ++p) {
        const double residual = data[p] - fitted[p];
        squares_[p] = weight[p] * residual * residual;
        n_used += weight[p] > 0.0;
        n_high += squares_[p] > normal_median * normal_median;
    }
    const double width =
        n_used - n_high > n_used / 2 ? 1.0 : std::max(1.0, 1.4826 * median_pull(weight, n_used));
    const double most = limit * width * (limit * width);
    pixels_.clear();
    chi2_ = 0.0;
    for (std::size_t p = 0; p < n; ++p)
        if (squares_[p] > most) {
            pixels_.push_back(p);
            chi2_ += squares_[p];
        }
}

// The n_used / 2-th of the pixels in use, by counting: of the bin that holds it the members are put in order.
double Clip::median_pull(const double* weight, std::size_t n_used) {
    constexpr std::size_t n_bins = 1024;
    constexpr double bins_a_unit = 64.0;
    const auto bin_of = [](double square) {
        return static_cast<std::size_t>(std::min(static_cast<double>(n_bins - 1), square * bins_a_unit));
    };
    std::uint32_t count[n_bins] = {};
    for (std::size_t p = 0; p < squares_.size(); ++p)
        count[bin_of(squares_[p])] += weight[p] > 0.0;
    std::size_t bin = 0, before = 0;
    while (bin + 1 < n_bins && before + count[bin] <= n_used / 2)
        before += count[bin++];
    used_.clear();
    for (std::size_t p = 0; p < squares_.size(); ++p)
        if (weight[p] > 0.0 && bin_of(squares_[p]) == bin)
            used_.push_back(squares_[p]);
    if (used_.empty())
        return 0.0;
    const auto middle = used_.begin() + static_cast<std::ptrdiff_t>(n_used / 2 - before);
    std::nth_element(used_.begin(), middle, used_.end());
    return std::sqrt(*middle);
}

} // namespace maury

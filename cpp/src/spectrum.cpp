#include "spectrum.hpp"

#include <algorithm>
#include <cmath>

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

Spectrum::Clipped Spectrum::clip(const double* model, double limit) {
    const auto pull = [&](std::size_t p) { return std::abs(flux_[p] - model[p]) * std::sqrt(weight_[p]); };
    pulls_.clear();
    pulls_.reserve(size());
    for (std::size_t p = 0; p < size(); ++p)
        if (weight_[p] > 0.0)
            pulls_.push_back(pull(p));
    Clipped clipped{0, 0.0};
    if (pulls_.empty())
        return clipped;
    const auto middle = pulls_.begin() + static_cast<std::ptrdiff_t>(pulls_.size() / 2);
    std::nth_element(pulls_.begin(), middle, pulls_.end());
    const double most = limit * std::max(1.0, 1.4826 * *middle);
    for (std::size_t p = 0; p < size(); ++p)
        if (const double here = pull(p); here > most) {
            flux_[p] = ivar_[p] = weight_[p] = 0.0;
            ++clipped.n;
            clipped.chi2 += here * here;
        }
    return clipped;
}

} // namespace maury

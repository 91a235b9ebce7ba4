#include "label_space.hpp"

#include <algorithm>
#include <cmath>

namespace maury {

LabelSpace::LabelSpace(const std::vector<std::string>& transforms, const std::vector<double>& lower,
                       const std::vector<double>& upper) {
    for (std::size_t l = 0; l < lower.size(); ++l) {
        log10.push_back(transforms[l] == "log10");
        low.push_back(log10[l] ? std::log10(lower[l]) : lower[l]);
        high.push_back(log10[l] ? std::log10(upper[l]) : upper[l]);
    }
}

void LabelSpace::scaled(const double* labels, double* fraction) const {
    for (std::size_t l = 0; l < size(); ++l)
        fraction[l] = ((log10[l] ? std::log10(labels[l]) : labels[l]) - low[l]) / (high[l] - low[l]);
}

void LabelSpace::unscaled(const double* fraction, double* labels) const {
    for (std::size_t l = 0; l < size(); ++l) {
        const double value = low[l] + fraction[l] * (high[l] - low[l]);
        labels[l] = log10[l] ? std::pow(10.0, value) : value;
    }
}

std::vector<double> spread_labels(const std::vector<double>& lower, const std::vector<double>& upper,
                                  const std::vector<std::string>& transforms, std::size_t n) {
    const std::size_t n_labels = lower.size();
    const LabelSpace space(transforms, lower, upper);
    double ratio = 2.0;
    for (int i = 0; i < 64; ++i)
        ratio = std::pow(1.0 + ratio, 1.0 / static_cast<double>(n_labels + 1));
    std::vector<double> labels(n * n_labels), point(n_labels);
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t l = 0; l < n_labels; ++l)
            point[l] = std::fmod(
                0.5 + static_cast<double>(i + 1) * std::pow(ratio, -static_cast<double>(l + 1)), 1.0);
        space.unscaled(point.data(), &labels[i * n_labels]);
        for (std::size_t l = 0; l < n_labels; ++l)
            labels[i * n_labels + l] = std::clamp(labels[i * n_labels + l], lower[l], upper[l]);
    }
    return labels;
}

} // namespace maury

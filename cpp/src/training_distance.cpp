#include "training_distance.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace maury {
namespace {

constexpr double not_known = std::numeric_limits<double>::quiet_NaN();
constexpr double percentile = 0.99;

bool all_finite(const double* values, std::size_t n) {
    return std::all_of(values, values + n, [](double v) { return std::isfinite(v); });
}

} // namespace

TrainingDistance::TrainingDistance(const ModelParts& parts)
    : space_(parts.transforms, parts.label_min, parts.label_max), n_labels_(parts.labels.size()) {
    std::vector<std::vector<double>> rows;
    for (std::size_t at = 0; at + n_labels_ <= parts.training_labels.size(); at += n_labels_) {
        const double* labels = &parts.training_labels[at];
        if (all_finite(labels, n_labels_))
            rows.emplace_back(labels, labels + n_labels_);
    }
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    if (rows.size() <= neighbour)
        return;
    n_ = rows.size();
    for (const auto& row : rows) {
        stars_.resize(stars_.size() + n_labels_);
        space_.scaled(row.data(), &stars_[stars_.size() - n_labels_]);
    }
    std::vector<double> own;
    for (std::size_t i = 0; i < n_; ++i) // the nearest to a star is the star itself
        own.push_back(to_neighbour(&stars_[i * n_labels_], neighbour + 1));
    std::sort(own.begin(), own.end());
    const double at = percentile * static_cast<double>(n_ - 1);
    const auto below = static_cast<std::size_t>(at);
    const double low = own[below], high = own[std::min(below + 1, n_ - 1)],
                 part = at - static_cast<double>(below);
    limit_ = part < 0.5 ? low + (high - low) * part : high - (high - low) * (1.0 - part);
}

double TrainingDistance::operator()(const double* labels) const {
    if (n_ == 0 || !all_finite(labels, n_labels_))
        return not_known;
    std::vector<double> place(n_labels_);
    space_.scaled(labels, place.data());
    return to_neighbour(place.data(), neighbour) / limit_;
}

// Stars are sorted by the first label: away from the place on either side, until that label alone is farther.
double TrainingDistance::to_neighbour(const double* place, std::size_t k) const {
    std::array<double, neighbour + 1> nearest; // squares, increasing
    nearest.fill(std::numeric_limits<double>::infinity());
    const auto star = [&](std::size_t i) { return stars_[i * n_labels_]; };
    std::size_t right = 0, size = n_;
    while (size > 0) { // the first star that is not below the place
        const std::size_t half = size / 2;
        const bool below = star(right + half) < place[0];
        right = below ? right + half + 1 : right;
        size = below ? size - half - 1 : half;
    }
    std::size_t left = right; // one after the next on the left
    while (left > 0 || right < n_) {
        const double to_left = left > 0 ? place[0] - star(left - 1) : not_known,
                     to_right = right < n_ ? star(right) - place[0] : not_known;
        const bool goes_left = left > 0 && !(to_right < to_left);
        const double gap = goes_left ? to_left : to_right;
        if (gap * gap > nearest[k - 1])
            break;
        const std::size_t i = goes_left ? --left : right++;
        double square = 0.0;
        for (std::size_t l = 0; l < n_labels_; ++l) {
            const double step = stars_[i * n_labels_ + l] - place[l];
            square += step * step;
        }
        for (std::size_t j = 0; j < k; ++j)
            if (square < nearest[j])
                std::swap(square, nearest[j]);
    }
    return std::sqrt(nearest[k - 1]);
}

} // namespace maury

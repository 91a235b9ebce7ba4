#include "starts.hpp"

#include "label_space.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {
namespace {

constexpr std::size_t most_known = n_candidates / 2;
constexpr int n_rounds = 10;                    // of moving the centres
constexpr double golden = 0.618033988749894848; // the step of the even sequence

double distance_squared(const double* x, const double* y, std::size_t n) {
    double sum = 0.0;
    for (std::size_t l = 0; l < n; ++l)
        sum += (x[l] - y[l]) * (x[l] - y[l]);
    return sum;
}

// The first centre is the point nearest to the mean. Each next one is a point that is likely in proportion to
// its squared distance from those before (k-means++), drawn by an even sequence instead of a random number.
// Then every centre moves to the mean of the points that are nearest to it.
std::vector<double> cluster_centres(const std::vector<double>& points, std::size_t n_labels,
                                    std::size_t n_centres) {
    const std::size_t n = points.size() / n_labels;
    std::vector<double> centres(n_labels, 0.0), nearest(n);
    for (std::size_t i = 0; i < points.size(); ++i)
        centres[i % n_labels] += points[i] / static_cast<double>(n);
    std::size_t chosen = 0;
    for (std::size_t i = 0; i < n; ++i) {
        nearest[i] = distance_squared(&points[i * n_labels], centres.data(), n_labels);
        chosen = nearest[i] < nearest[chosen] ? i : chosen;
    }
    std::fill(nearest.begin(), nearest.end(), std::numeric_limits<double>::infinity());
    centres.clear();
    for (std::size_t c = 0; c < n_centres; ++c) {
        const double* point = &points[chosen * n_labels];
        centres.insert(centres.end(), point, point + n_labels);
        double total = 0.0;
        for (std::size_t i = 0; i < n; ++i) {
            nearest[i] = std::min(nearest[i], distance_squared(&points[i * n_labels], point, n_labels));
            total += nearest[i];
        }
        double left = total * std::fmod(static_cast<double>(c + 1) * golden, 1.0);
        for (chosen = 0; chosen + 1 < n && left >= nearest[chosen]; ++chosen)
            left -= nearest[chosen];
    }
    for (int round = 0; round < n_rounds; ++round) {
        std::vector<double> sum(centres.size(), 0.0), count(n_centres, 0.0);
        for (std::size_t i = 0; i < n; ++i) {
            std::size_t own = 0;
            double least = std::numeric_limits<double>::infinity();
            for (std::size_t c = 0; c < n_centres; ++c) {
                const double here = distance_squared(&points[i * n_labels], &centres[c * n_labels], n_labels);
                if (here < least) {
                    least = here;
                    own = c;
                }
            }
            count[own] += 1.0;
            for (std::size_t l = 0; l < n_labels; ++l)
                sum[own * n_labels + l] += points[i * n_labels + l];
        }
        for (std::size_t k = 0; k < centres.size(); ++k)
            if (count[k / n_labels] > 0.0)
                centres[k] = sum[k] / count[k / n_labels];
    }
    return centres;
}

} // namespace

std::vector<double> candidate_labels(const ModelParts& parts, const std::vector<double>& lower,
                                     const std::vector<double>& upper) {
    const std::size_t n_labels = lower.size();
    std::vector<std::vector<double>> known;
    for (std::size_t at = 0; at < parts.training_labels.size(); at += n_labels) {
        std::vector<double> row(n_labels);
        bool inside = true;
        for (std::size_t l = 0; l < n_labels; ++l) {
            row[l] = lower[l] == upper[l] ? lower[l] : parts.training_labels[at + l]; // a fixed label
            inside = inside && row[l] >= lower[l] && row[l] <= upper[l];
        }
        if (inside)
            known.push_back(row);
    }
    std::vector<double> labels;
    const bool many = known.size() > most_known;
    if (many) // some of them, evenly along the list sorted by the first label
        std::stable_sort(known.begin(), known.end());
    const std::size_t n = many ? most_known : known.size();
    const double step =
        many ? static_cast<double>(known.size() - 1) / static_cast<double>(most_known - 1) : 1.0;
    for (std::size_t i = 0; i < n; ++i) {
        const auto at = static_cast<std::size_t>(std::nearbyint(static_cast<double>(i) * step));
        labels.insert(labels.end(), known[at].begin(), known[at].end());
    }
    const std::vector<double> spread = spread_labels(lower, upper, parts.transforms, n_candidates - n);
    labels.insert(labels.end(), spread.begin(), spread.end());
    return labels;
}

std::vector<double> template_labels(const ModelParts& parts) {
    const std::size_t n_labels = parts.labels.size();
    const LabelSpace space(parts.transforms, parts.label_min, parts.label_max);
    std::vector<double> labels = parts.training_labels;
    if (labels.size() < 4 * n_templates * n_labels)
        labels = candidate_labels(parts, parts.lower, parts.upper);
    for (std::size_t at = 0; at < labels.size(); at += n_labels)
        space.scaled(&labels[at], &labels[at]);
    std::vector<double> centres = cluster_centres(labels, n_labels, n_templates);
    for (std::size_t at = 0; at < centres.size(); at += n_labels)
        space.unscaled(&centres[at], &centres[at]);
    return centres;
}

} // namespace maury

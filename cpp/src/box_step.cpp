#include "maury/box_step.hpp"

#include "cholesky.hpp"

#include <cmath>

namespace maury {

BoxStep::BoxStep(std::size_t n) : n_(n), step_(n), target_(n), factor_(n * n), part_(n), held_(n) {
    free_.reserve(n);
}

// Primal active set: walk to the unbounded least of the free parameters; hold the first that meets its bound;
// at the least, free the one whose gradient points back into the box.
bool BoxStep::find(const double* matrix, const double* gradient, const double* lower, const double* upper,
                   const double* x) {
    for (std::size_t i = 0; i < n_; ++i) {
        step_[i] = 0.0;
        held_[i] = held_by(x[i], lower[i], upper[i], gradient[i]);
    }
    const std::size_t most_changes = 4 * n_ + 8; // more only by rounding; every point on the way is downhill
    for (std::size_t change = 0; change < most_changes; ++change) {
        if (!newton_point(matrix, gradient))
            return false;
        double reach = 1.0;
        std::size_t met = n_;
        for (std::size_t i : free_) {
            const double way = target_[i] - step_[i];
            const double room = way < 0.0 ? lower[i] - x[i] - step_[i] : upper[i] - x[i] - step_[i];
            if (std::abs(way) > std::abs(room) && std::abs(room) < reach * std::abs(way)) {
                reach = std::abs(room / way);
                met = i;
            }
        }
        for (std::size_t i : free_)
            step_[i] += reach * (target_[i] - step_[i]);
        if (met < n_) {
            held_[met] = target_[met] < step_[met] ? -1 : 1;
            step_[met] = (held_[met] < 0 ? lower[met] : upper[met]) - x[met];
            continue;
        }
        std::size_t released = n_;
        double steepest = 0.0;
        for (std::size_t i = 0; i < n_; ++i) {
            if (!held_[i] || lower[i] >= upper[i])
                continue;
            double slope = gradient[i], rounding = std::abs(slope);
            for (std::size_t j = 0; j < n_; ++j) {
                slope += matrix[i * n_ + j] * step_[j];
                rounding += std::abs(matrix[i * n_ + j] * step_[j]);
            }
            const double inwards = held_[i] * slope / std::sqrt(matrix[i * n_ + i]);
            if (inwards > steepest && std::abs(slope) > 1e-12 * rounding) {
                steepest = inwards;
                released = i;
            }
        }
        if (released == n_)
            break;
        held_[released] = 0;
    }
    return true;
}

// target_ = the least over the free parameters with the held ones where they are.
bool BoxStep::newton_point(const double* matrix, const double* gradient) {
    free_.clear();
    for (std::size_t i = 0; i < n_; ++i)
        if (!held_[i])
            free_.push_back(i);
    const std::size_t m = free_.size();
    for (std::size_t a = 0; a < m; ++a) {
        const std::size_t i = free_[a];
        part_[a] = -gradient[i];
        for (std::size_t j = 0; j < n_; ++j)
            if (held_[j])
                part_[a] -= matrix[i * n_ + j] * step_[j];
        for (std::size_t b = 0; b < m; ++b)
            factor_[a * m + b] = matrix[i * n_ + free_[b]];
    }
    if (!cholesky_factor(factor_.data(), m, 1e-15))
        return false;
    cholesky_solve(factor_.data(), m, part_.data());
    for (std::size_t a = 0; a < m; ++a)
        target_[free_[a]] = part_[a];
    return true;
}

} // namespace maury

#include "maury/solve.hpp"

#include "cholesky.hpp"

#include <algorithm>
#include <cmath>

namespace maury {
namespace {

constexpr double least_damping = 1e-12, most_damping = 1e50;
constexpr double least_gain = 0.1;   // fall / predicted fall: below, the quadratic model is not trusted
constexpr double least_factor = 0.1; // by which one good step lowers the damping

bool all_finite(const std::vector<double>& values) {
    return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

// -1 or 1: at the lower or upper bound, and downhill is outwards; else 0.
signed char held_by(double x, double lower, double upper, double gradient) {
    return x <= lower && gradient >= 0.0 ? -1 : x >= upper && gradient <= 0.0 ? 1 : 0;
}

} // namespace

Solver::Solver(std::size_t n)
    : n_(n), gradient_(n), hessian_(n * n), trial_gradient_(n), trial_hessian_(n * n), trial_(n), step_(n),
      scale_(n), target_(n), damped_(n * n), factor_(n * n), part_(n), held_(n) {
    free_.reserve(n);
}

SolveResult Solver::solve(Problem& problem, const double* lower, const double* upper, double* x,
                          const SolveOptions& options) {
    for (std::size_t i = 0; i < n_; ++i)
        x[i] = std::min(std::max(x[i], lower[i]), upper[i]);
    SolveResult result{Status::NON_FINITE, problem.chi2(x), 1};
    if (!std::isfinite(result.chi2))
        return result;
    problem.derivatives(x, gradient_.data(), hessian_.data());
    if (!all_finite(gradient_) || !all_finite(hessian_))
        return result;

    std::fill(scale_.begin(), scale_.end(), 0.0);
    double damping = options.first_damping, growth = 2.0;
    const auto raise_damping = [&] {
        damping *= growth;
        growth *= 2.0;
    };
    const auto stop = [&](Status status) {
        result.status = status;
        return result;
    };
    for (;;) {
        const double steepest = largest_free_gradient(lower, upper, x);
        if (steepest <= options.gradient_tol)
            return stop(Status::GRADIENT);
        if (damping > most_damping)
            return stop(Status::STALLED);
        if (!find_step(lower, upper, x, damping)) { // too little damping for a nearly singular matrix
            raise_damping();
            continue;
        }
        double longest = 0.0;
        for (std::size_t i = 0; i < n_; ++i) {
            const double free = std::min(std::max(x[i] + step_[i], lower[i]), upper[i]);
            trial_[i] = !held_[i] ? free : held_[i] < 0 ? lower[i] : upper[i]; // exactly on the bound
            longest = std::max(longest, std::abs(trial_[i] - x[i]));
        }
        if (longest <= options.step_tol)
            return stop(damping <= 1.0 || steepest <= options.kink_tol ? Status::STEP : Status::STALLED);
        if (result.n_evaluations >= options.max_evaluations)
            return stop(Status::MAX_EVALUATIONS);

        const double chi2 = problem.chi2(trial_.data());
        ++result.n_evaluations;
        const double fall = result.chi2 - chi2, predicted = predicted_fall();
        const bool settled = damping <= 1.0 && std::abs(fall) <= options.cost_tol * result.chi2 &&
                             predicted <= options.cost_tol * result.chi2;
        bool accepted = std::isfinite(chi2) && fall > 0.0 && fall >= least_gain * predicted;
        if (accepted) {
            problem.derivatives(trial_.data(), trial_gradient_.data(), trial_hessian_.data());
            accepted = all_finite(trial_gradient_) && all_finite(trial_hessian_);
        }
        if (accepted) {
            std::copy(trial_.begin(), trial_.end(), x);
            gradient_.swap(trial_gradient_);
            hessian_.swap(trial_hessian_);
            result.chi2 = chi2;
            // Nielsen (1999): a smooth function of the gain ratio, so that the damping does not flip.
            const double gain = predicted > 0.0 ? fall / predicted : 1.0;
            const double factor = 1.0 - std::pow(2.0 * gain - 1.0, 3);
            damping = std::max(least_damping, damping * std::max(least_factor, factor));
            growth = 2.0;
        }
        if (settled)
            return stop(Status::COST);
        if (!accepted)
            raise_damping();
    }
}

double Solver::largest_free_gradient(const double* lower, const double* upper, const double* x) const {
    double largest = 0.0;
    for (std::size_t i = 0; i < n_; ++i)
        if (!held_by(x[i], lower[i], upper[i], gradient_[i]) && gradient_[i] != 0.0)
            largest = std::max(largest, std::abs(gradient_[i]) / std::sqrt(hessian_[i * n_ + i]));
    return largest;
}

// step_ = the least of 2 g.s + s'(H + damping D)s inside the box, D = the largest
// diagonal of H so far (Marquardt 1963, More 1978).
// Primal active set: walk to the unbounded least of the free parameters; hold the first that meets its bound;
// at the least, free the one whose gradient points back into the box. False if a factor does not exist.
bool Solver::find_step(const double* lower, const double* upper, const double* x, double damping) {
    for (std::size_t i = 0; i < n_; ++i)
        scale_[i] = std::max(scale_[i], hessian_[i * n_ + i]);
    const double largest = *std::max_element(scale_.begin(), scale_.end());
    damped_ = hessian_;
    for (std::size_t i = 0; i < n_; ++i) {
        damped_[i * n_ + i] += damping * std::max(scale_[i], 1e-12 * largest);
        step_[i] = 0.0;
        held_[i] = held_by(x[i], lower[i], upper[i], gradient_[i]);
    }
    const std::size_t most_changes = 4 * n_ + 8; // more only by rounding; every point on the way is downhill
    for (std::size_t change = 0; change < most_changes; ++change) {
        if (!newton_point())
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
            double slope = gradient_[i], rounding = std::abs(slope);
            for (std::size_t j = 0; j < n_; ++j) {
                slope += damped_[i * n_ + j] * step_[j];
                rounding += std::abs(damped_[i * n_ + j] * step_[j]);
            }
            const double inwards = held_[i] * slope / std::sqrt(damped_[i * n_ + i]);
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
bool Solver::newton_point() {
    free_.clear();
    for (std::size_t i = 0; i < n_; ++i)
        if (!held_[i])
            free_.push_back(i);
    const std::size_t m = free_.size();
    for (std::size_t a = 0; a < m; ++a) {
        const std::size_t i = free_[a];
        part_[a] = -gradient_[i];
        for (std::size_t j = 0; j < n_; ++j)
            if (held_[j])
                part_[a] -= damped_[i * n_ + j] * step_[j];
        for (std::size_t b = 0; b < m; ++b)
            factor_[a * m + b] = damped_[i * n_ + free_[b]];
    }
    if (!cholesky_factor(factor_.data(), m, 1e-15))
        return false;
    cholesky_solve(factor_.data(), m, part_.data());
    for (std::size_t a = 0; a < m; ++a)
        target_[free_[a]] = part_[a];
    return true;
}

// -(2 g.s + s'Hs) for the step to trial_, without the damping.
double Solver::predicted_fall() const {
    double sum = 0.0;
    for (std::size_t i = 0; i < n_; ++i) {
        double half = 2.0 * gradient_[i];
        for (std::size_t j = 0; j < n_; ++j)
            half += hessian_[i * n_ + j] * step_[j];
        sum -= step_[i] * half;
    }
    return sum;
}

} // namespace maury

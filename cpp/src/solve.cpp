#include "maury/solve.hpp"

#include "cholesky.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {
namespace {

constexpr double least_damping = 1e-60, most_damping = 1e50, most_for_promise = 1e-2;
constexpr double least_gain = 0.1;   // fall / predicted fall: below, the quadratic model is not trusted
constexpr double least_factor = 0.1; // by which one good step lowers the damping
// Predicted fall from where on curvature is added: what the problem knows of it is right farther off than
// what steps showed.
constexpr double near_known = 4.0, near_learnt = 1.0;
// Between a step and H^-1 times what it showed of the curvature, in formal errors. The update divides by it:
// a step that is nearly perpendicular tells little of that direction.
constexpr double least_cosine = 0.1;

bool all_finite(const double* values, std::size_t n) {
    return std::all_of(values, values + n, [](double v) { return std::isfinite(v); });
}

} // namespace

Solver::Solver(std::size_t n)
    : n_(n), step_(n), x_(n), gradient_(n), hessian_(n * n), trial_gradient_(n), trial_hessian_(n * n),
      curvature_(n * n), model_(n * n), trial_(n), scale_(n), damped_(n * n), missed_(n), turned_(n) {}

SolveResult Solver::solve(Problem& problem, const double* lower, const double* upper, double* x,
                          const SolveOptions& options) {
    begin(lower, upper, x, options);
    if (judge(problem.chi2_and_derivatives(trial(), trial_gradient_.data(), trial_hessian_.data())))
        accept(trial_gradient_.data(), trial_hessian_.data());
    propose(&problem);
    while (running_) {
        if (judge(problem.chi2(trial()))) {
            problem.derivatives(trial(), trial_gradient_.data(), trial_hessian_.data());
            accept(trial_gradient_.data(), trial_hessian_.data());
        }
        propose();
    }
    std::copy(x_.begin(), x_.end(), x);
    return result_;
}

void Solver::begin(const double* lower, const double* upper, const double* x, const SolveOptions& options) {
    lower_ = lower;
    upper_ = upper;
    options_ = options;
    for (std::size_t i = 0; i < n_; ++i)
        x_[i] = trial_[i] = std::min(std::max(x[i], lower[i]), upper[i]);
    std::fill(scale_.begin(), scale_.end(), 0.0);
    std::fill(curvature_.begin(), curvature_.end(), 0.0);
    result_ = {Status::NON_FINITE, 0.0, 0};
    running_ = true;
    settled_ = false;
    damping_ = options.first_damping;
    growth_ = 2.0;
    predicted_ = std::numeric_limits<double>::infinity();
}

void Solver::stop(Status status) {
    result_.status = status;
    running_ = false;
}

// A step by learnt curvature that fails says that this was learnt wrongly; any other needs damping.
void Solver::reject() {
    if (curved_)
        std::fill(curvature_.begin(), curvature_.end(), 0.0);
    else
        raise_damping();
}

void Solver::raise_damping() {
    damping_ *= growth_;
    growth_ *= 2.0;
}

// True: chi2 fell enough, so the derivatives there are wanted.
bool Solver::judge(double chi2) {
    trial_chi2_ = chi2;
    if (++result_.n_evaluations == 1) {
        if (!std::isfinite(chi2))
            stop(Status::NON_FINITE);
        return running_;
    }
    fall_ = result_.chi2 - chi2;
    settled_ = damped_little() && std::abs(fall_) <= options_.cost_tol * result_.chi2 &&
               predicted_ <= options_.cost_tol * result_.chi2;
    if (std::isfinite(chi2) && fall_ + options_.chi2_error > 0.0 &&
        fall_ + options_.chi2_error >= least_gain * predicted_)
        return true;
    if (settled_)
        stop(Status::COST);
    reject();
    return false;
}

void Solver::accept(const double* gradient, const double* hessian) {
    const bool first = result_.n_evaluations == 1;
    if (!all_finite(gradient, n_) || !all_finite(hessian, n_ * n_)) {
        if (first)
            stop(Status::NON_FINITE);
        reject();
        return;
    }
    if (!first) {
        if (options_.learn_curvature)
            learn_curvature(gradient, hessian);
        // Nielsen (1999): a smooth function of the gain ratio, so that the damping does not flip.
        const double gain = predicted_ > 0.0 ? fall_ / predicted_ : 1.0;
        const double factor = 1.0 - std::pow(2.0 * gain - 1.0, 3);
        damping_ = std::max(least_damping, damping_ * std::max(least_factor, factor));
        growth_ = 2.0;
    }
    std::copy(trial_.begin(), trial_.end(), x_.begin());
    result_.chi2 = trial_chi2_;
    std::copy_n(gradient, n_, gradient_.begin());
    std::copy_n(hessian, n_ * n_, hessian_.begin());
    if (settled_)
        stop(Status::COST);
}

// The second derivatives that Gauss-Newton leaves out, S, from what the step showed of them:
// S dx = dg - H dx, by the symmetric rank-one update.
void Solver::learn_curvature(const double* gradient, const double* hessian) {
    if (predicted_ <= options_.chi2_error) // its own error may hide what such a step shows
        return;
    for (std::size_t i = 0; i < n_; ++i) {
        missed_[i] = gradient[i] - gradient_[i];
        for (std::size_t j = 0; j < n_; ++j)
            missed_[i] -= (hessian[i * n_ + j] + curvature_[i * n_ + j]) * (trial_[j] - x_[j]);
    }
    turned_ = missed_;
    std::copy_n(hessian, n_ * n_, damped_.begin());
    if (!cholesky_factor(damped_.data(), n_, 1e-15))
        return;
    cholesky_solve(damped_.data(), n_, turned_.data());
    double along = 0.0, squared = 0.0, straight = 0.0;
    for (std::size_t i = 0; i < n_; ++i) {
        along += missed_[i] * (trial_[i] - x_[i]);
        squared += missed_[i] * turned_[i];
        for (std::size_t j = 0; j < n_; ++j)
            straight += (trial_[i] - x_[i]) * hessian[i * n_ + j] * (trial_[j] - x_[j]);
    }
    if (std::abs(along) < least_cosine * std::sqrt(squared * straight))
        return;
    double curved = 0.0;
    for (std::size_t i = 0; i < n_; ++i)
        for (std::size_t j = 0; j < n_; ++j) {
            curvature_[i * n_ + j] += missed_[i] * missed_[j] / along;
            curved += (trial_[i] - x_[i]) * curvature_[i * n_ + j] * (trial_[j] - x_[j]);
        }
    if (curved < -0.9 * straight || curved > 20.0 * straight) // a kink, or too far to tell
        std::fill(curvature_.begin(), curvature_.end(), 0.0);
}

// Sets the next trial(), or stops.
void Solver::propose(Problem* problem) {
    if (!running_)
        return;
    model_ = hessian_;
    curved_ = false;
    if (options_.learn_curvature && find_step(damping_) &&
        predicted_fall() < (problem ? near_known : near_learnt)) {
        if (problem)
            problem->curvature(curvature_.data());
        for (std::size_t i = 0; i < n_ * n_; ++i)
            model_[i] += curvature_[i];
        curved_ = model_ != hessian_ && find_step(damping_);
        if (!curved_)
            model_ = hessian_;
    }
    while (!find_step(damping_)) { // too little damping for a nearly singular matrix
        raise_damping();
        if (damping_ > most_damping)
            return stop(Status::STALLED);
    }
    predicted_ = predicted_fall();
    const double enough = options_.gradient_tol * options_.gradient_tol;
    if (predicted_ <= enough && damped_little()) {
        if (!find_step(0.0)) // singular
            find_step(damping_);
        set_trial();
        if (step_length() <= options_.gradient_tol)
            return stop(Status::GRADIENT);
        find_step(damping_);
    }
    set_trial();
    if (step_length() <= options_.step_tol)
        return stop(damped_little() || largest_free_gradient() <= options_.kink_tol ? Status::STEP
                                                                                    : Status::STALLED);
    if (damping_ > most_damping)
        return stop(Status::STALLED);
    if (result_.n_evaluations >= options_.max_evaluations)
        stop(Status::MAX_EVALUATIONS);
}

// trial_ = x_ + step_, exactly on a bound where one is met.
void Solver::set_trial() {
    for (std::size_t i = 0; i < n_; ++i) {
        const double free = std::min(std::max(x_[i] + step_[i], lower_[i]), upper_[i]);
        trial_[i] = !step_.held(i) ? free : step_.held(i) < 0 ? lower_[i] : upper_[i];
    }
}

// In formal errors: sqrt(s'Hs).
double Solver::step_length() const {
    double sum = 0.0;
    for (std::size_t i = 0; i < n_; ++i)
        for (std::size_t j = 0; j < n_; ++j)
            sum += (trial_[i] - x_[i]) * hessian_[i * n_ + j] * (trial_[j] - x_[j]);
    return std::sqrt(std::max(sum, 0.0));
}

double Solver::promise() const {
    return damping_ <= most_for_promise ? predicted_ : std::numeric_limits<double>::infinity();
}

// Whether the damping is no more than H itself: it is scaled by the largest diagonals so far.
bool Solver::damped_little() const {
    for (std::size_t i = 0; i < n_; ++i)
        if (damping_ * scale_[i] > hessian_[i * n_ + i])
            return false;
    return true;
}

double Solver::largest_free_gradient() const {
    double largest = 0.0;
    for (std::size_t i = 0; i < n_; ++i)
        if (!held_by(x_[i], lower_[i], upper_[i], gradient_[i]) && gradient_[i] != 0.0)
            largest = std::max(largest, std::abs(gradient_[i]) / std::sqrt(hessian_[i * n_ + i]));
    return largest;
}

// step_ = the least of 2 g.s + s'(H + damping D)s inside the box, D = the largest diagonal of H so far
// (Marquardt 1963, More 1978). False if too little damping.
bool Solver::find_step(double damping) {
    for (std::size_t i = 0; i < n_; ++i)
        scale_[i] = std::max(scale_[i], hessian_[i * n_ + i]);
    const double largest = *std::max_element(scale_.begin(), scale_.end());
    damped_ = model_;
    for (std::size_t i = 0; i < n_; ++i)
        damped_[i * n_ + i] += damping * std::max(scale_[i], 1e-12 * largest);
    return step_.find(damped_.data(), gradient_.data(), lower_, upper_, x_.data());
}

// -(2 g.s + s'Hs) for the step to trial_, without the damping.
double Solver::predicted_fall() const {
    double sum = 0.0;
    for (std::size_t i = 0; i < n_; ++i) {
        double half = 2.0 * gradient_[i];
        for (std::size_t j = 0; j < n_; ++j)
            half += model_[i * n_ + j] * step_[j];
        sum -= step_[i] * half;
    }
    return sum;
}

} // namespace maury

// The fit in coefficients, where those hold all that the pixels tell: the last layer is linear and whole, and
// nothing but labels varies. Pixels are looked at to find outliers, and once in the end.
#include "fitter.hpp"

#include <algorithm>

namespace maury {
namespace {

constexpr double near_enough = 1e-3; // formal errors: to tell outliers, and a star by its first fit

} // namespace

// False where it cannot be done, with nothing of use.
template <typename Number>
bool Fitter<Number>::measure_in_coefficients(std::size_t i, Status& status, const StopFlag& stop) {
    full_.begin(stop);
    budget_ = options_.max_evaluations;
    see();
    mixed_.set_rows(rows());
    if (!compressed_.set(spectrum_.flux(), spectrum_.weight(), rows(), mean(), spectrum_.size(), stop))
        return false;
    choose_starts(i, true);
    if (!find(i, status, stop))
        return false;
    for (; rounds_ > 0 && input_.clip > 0.0; --rounds_) {
        model_.resize(spectrum_.size());
        compressed_.model(point_.coefficients(best_.data()), rows(), mean(), spectrum_.size(), model_.data());
        const auto clipped = clip(i, model_.data());
        if (clipped.n == 0)
            break;
        if (!leave_out(i, clipped, status, stop))
            return status == Status::TOO_FEW_PIXELS;
    }
    return true;
}

// Goes on without the pixels of the last clip.
template <typename Number>
bool Fitter<Number>::leave_out(std::size_t i, const Spectrum::Clipped& clipped, Status& status,
                               const StopFlag& stop) {
    if (too_few(i)) {
        status = Status::TOO_FEW_PIXELS;
        return false;
    }
    if (!compressed_.leave_out(spectrum_.clipped(), spectrum_.flux(), spectrum_.weight(), rows(), mean(),
                               spectrum_.size(), stop))
        return false;
    budget_ = options_.max_evaluations;
    if (misled(clipped)) {
        choose_starts(i, true);
        return find(i, status, stop);
    }
    status = follow(i, solver_.curvature(), near_enough);
    return status != Status::NON_FINITE;
}

// Sets best_, least_ and hessian_: from the near start on, or the end of a search.
template <typename Number> bool Fitter<Number>::find(std::size_t i, Status& status, const StopFlag& stop) {
    if (near_) {
        std::copy_n(search_.start(0), n_, best_.begin());
        status = follow(i, nullptr, near_enough);
        return status != Status::NON_FINITE;
    }
    const std::size_t best = search(i, stop);
    if (best == search_.size())
        return false;
    budget_ -= search_.result(best).n_evaluations;
    status = follow(i, search_.curvature(best), near_enough);
    store_agreement(i, search_.x(best));
    return status != Status::NON_FINITE;
}

// From best_ on, in double, so far that no label is farther than tolerance of its formal error from the end.
template <typename Number>
Status Fitter<Number>::follow(std::size_t i, const double* curvature, double tolerance) {
    if (budget_ < 2)
        return Status::MAX_EVALUATIONS;
    SolveOptions options = options_;
    options.first_damping = newton;
    options.learn_curvature = true;
    options.gradient_tol = tolerance;
    options.max_evaluations = budget_ - 1; // one for the pixels
    compressed_problem_.use_single_tangents(tolerance >= near_enough);
    const SolveResult result = solver_.solve(compressed_problem_, plan_.lower_scaled().data(),
                                             plan_.upper_scaled().data(), best_.data(), options, curvature);
    compressed_problem_.use_single_tangents(false);
    output_.n_evaluations[i] += result.n_evaluations;
    budget_ -= result.n_evaluations;
    least_ = result.chi2;
    std::copy_n(solver_.hessian(), hessian_.size(), hessian_.begin());
    return result.status;
}

// The same through the pixels; where those show outliers that the coefficients did not, again. False as
// above.
template <typename Number>
bool Fitter<Number>::finish_in_coefficients(std::size_t i, Status& status, const StopFlag& stop) {
    // Of two fits the errors are those of coefficients too, which costs no Jacobian.
    Problem& end = ratio_ ? static_cast<Problem&>(mixed_) : full_;
    SolveOptions options = options_;
    options.first_damping = newton;
    options.learn_curvature = true;
    for (;; --rounds_) {
        // By so much that rounding does not cost the pixels a step.
        if (follow(i, solver_.curvature(), 0.2 * options_.gradient_tol) == Status::NON_FINITE)
            return false;
        options.max_evaluations = std::max(1, budget_);
        const SolveResult result =
            full_solver_.solve(end, lower_.data(), upper_.data(), best_.data(), options, solver_.curvature());
        output_.n_evaluations[i] += result.n_evaluations;
        status = keep(result, best_);
        if (status == Status::NON_FINITE)
            return false;
        if (rounds_ == 0 || !(input_.clip > 0.0))
            return true;
        full_.chi2(best_.data());
        const auto clipped = clip(i, full_.model());
        if (clipped.n == 0)
            return true;
        if (!leave_out(i, clipped, status, stop))
            return status == Status::TOO_FEW_PIXELS;
    }
}

template class Fitter<float>;
template class Fitter<double>;

} // namespace maury

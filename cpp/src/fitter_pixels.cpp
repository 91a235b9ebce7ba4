// The fit in pixel space: of a last layer that is cut, of nuisances, of what float32 cannot hold.
#include "fitter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {

template <typename Number> Status Fitter<Number>::measure_in_pixels(std::size_t i, const StopFlag& stop) {
    Status status = measure_all_turns(i, stop);
    for (; rounds_ > 0 && input_.clip > 0.0 && status != Status::NON_FINITE; --rounds_) {
        full_.chi2(best_.data());
        const auto clipped = clip(i, full_.model());
        if (clipped.n == 0)
            break;
        if (too_few(i))
            return Status::TOO_FEW_PIXELS;
        if (misled(clipped)) {
            status = measure_all_turns(i, stop);
        } else {
            SolveOptions options = options_;
            options.first_damping = newton;
            status = keep(finish(i, best_.data(), nullptr, options), best_);
        }
    }
    return status;
}

// The nuisances are searched from where they stand. Where they end far from there, once more from the end.
template <typename Number> Status Fitter<Number>::measure_all_turns(std::size_t i, const StopFlag& stop) {
    constexpr int most_turns = 3;
    Status status = measure_once(i, stop);
    for (int turn = 1;
         turn < most_turns && view_ && status != Status::NON_FINITE && view_->moved(best_.data()); ++turn)
        status = measure_once(i, stop);
    return status;
}

template <typename Number> Status Fitter<Number>::measure_once(std::size_t i, const StopFlag& stop) {
    full_.begin(stop);
    bool compressed = false;
    if (view_) {
        seen_ = false; // nuisances may have moved
        see();
        compressed = compressed_.set(spectrum_.flux(), spectrum_.weight(), view_->rows(), view_->mean(),
                                     spectrum_.size(), stop);
    } else {
        compressed = compressed_.set(spectrum_.flux(), spectrum_.weight(), stop);
    }
    choose_starts(i, compressed);
    // The finish takes two evaluations at least.
    const bool compress = input_.compress && !near_ && compressed && options_.max_evaluations > 2;
    return compress ? search_compressed(i, stop) : search_pixels(i);
}

// Both searches set best_, least_, hessian_ and, from the starts, ends_. They leave the nuisances as they
// are; the finish does not.

// The search decides which minimum; that is followed in double to its end, at last in pixel space.
template <typename Number> Status Fitter<Number>::search_compressed(std::size_t i, const StopFlag& stop) {
    const std::size_t best = search(i, stop);
    if (best == search_.size())
        return search_pixels(i);
    SolveOptions options = options_;
    options.first_damping = newton;
    options.learn_curvature = true;
    options.gradient_tol = 0.5 * options_.gradient_tol; // so that rounding does not cost the pixels a step
    options.max_evaluations -= search_.result(best).n_evaluations + 1; // one for the pixels
    if (options.max_evaluations > 0) {
        const SolveResult result =
            solver_.solve(compressed_problem_, plan_.lower_scaled().data(), plan_.upper_scaled().data(),
                          best_.data(), options, search_.curvature(best));
        output_.n_evaluations[i] += result.n_evaluations;
        options.max_evaluations -= result.n_evaluations;
    }
    options.gradient_tol = options_.gradient_tol;
    options.max_evaluations = std::max(1, options.max_evaluations + 1);
    const Status status = keep(finish(i, best_.data(), solver_.curvature(), options), best_);
    store_agreement(i, search_.x(best));
    return status;
}

template <typename Number> Status Fitter<Number>::search_pixels(std::size_t i) {
    Status status = Status::NON_FINITE;
    least_ = std::numeric_limits<double>::infinity();
    ends_.clear();
    first_ = best_;
    for (std::size_t s = 0; s < std::min(search_.size(), std::max(input_.n_given, input_.n_starts)); ++s) {
        start_ = first_;
        std::copy_n(search_.start(s), n_, start_.begin());
        const SolveResult result = finish(i, start_.data(), nullptr, options_);
        ends_.insert(ends_.end(), start_.begin(), start_.begin() + static_cast<std::ptrdiff_t>(n_));
        if (result.status == Status::NON_FINITE)
            std::fill_n(ends_.end() - static_cast<std::ptrdiff_t>(n_), n_,
                        std::numeric_limits<double>::quiet_NaN());
        else if (result.chi2 < least_)
            status = keep(result, start_);
    }
    if (!near_)
        store_agreement(i, best_.data());
    return status;
}

// From x (n_all,) on, in pixel space, labels and nuisances together. curvature (L, L) or null: see solve.hpp
template <typename Number>
SolveResult Fitter<Number>::finish(std::size_t i, double* x, const double* curvature,
                                   const SolveOptions& options) {
    if (curvature)
        for (std::size_t k = 0; k < n_; ++k)
            std::copy_n(curvature + k * n_, n_, &curvature_[k * n_all_]);
    const SolveResult result = full_solver_.solve(full_, lower_.data(), upper_.data(), x, options,
                                                  curvature ? curvature_.data() : nullptr);
    output_.n_evaluations[i] += result.n_evaluations;
    return result;
}

template <typename Number>
Status Fitter<Number>::keep(const SolveResult& result, const std::vector<double>& x) {
    std::copy(x.begin(), x.end(), best_.begin());
    least_ = result.chi2;
    std::copy_n(full_solver_.hessian(), hessian_.size(), hessian_.begin());
    return result.status;
}

template class Fitter<float>;
template class Fitter<double>;

} // namespace maury

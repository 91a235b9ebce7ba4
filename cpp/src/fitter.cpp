#include "fitter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {
namespace {

constexpr double distinct = 0.05;        // of the label range: nearer candidates count as one
constexpr std::size_t n_considered = 24; // candidates among which the search chooses
constexpr double misleading = 0.2;       // part of chi2

// Of the search, in float32.
constexpr double search_gradient_tol = 1e-3, search_step_tol = 1e-3, search_chi2_error = 1e-2;
constexpr int search_evaluations = 50; // of a start

std::size_t considered(std::size_t n_starts) { return std::max(n_considered, 2 * n_starts); }

} // namespace

template <typename Number>
Fitter<Number>::Fitter(const FitPlan& plan, const FitInput<Number>& input, const FitOutput& output,
                       const SolveOptions& options)
    : plan_(plan), emulator_(plan.emulator()), input_(input), output_(output), options_(options),
      n_(emulator_.n_labels()), n_all_(n_ + (input.observed ? input.observed->freedom.count() : 0)),
      n_pixels_(input.observed ? input.observed->n_pixels : emulator_.n_pixels()), point_(emulator_.trunk()),
      cut_point_(emulator_.is_cut() ? std::make_unique<TrunkPoint>(emulator_.search_trunk()) : nullptr),
      view_(input.observed ? std::make_unique<View>(emulator_, *input.observed, point_, spectrum_) : nullptr),
      pixels_(view_ ? nullptr : std::make_unique<PixelProblem>(emulator_, point_, spectrum_)),
      ratio_(input.medians ? std::make_unique<MedianRatio>(emulator_, *input.observed, *input.medians)
                           : nullptr),
      full_(view_ ? static_cast<FullProblem&>(view_->problem()) : *pixels_), compressed_(emulator_.basis()),
      compressed_problem_(compressed_, cut_point_ ? *cut_point_ : point_, n_),
      mixed_(full_, compressed_, point_, spectrum_, n_),
      search_(emulator_, plan.candidates(), std::max(input.n_given, considered(input.n_starts))), solver_(n_),
      full_solver_(n_all_), lower_(plan.lower_scaled()), upper_(plan.upper_scaled()), start_(n_all_),
      best_(n_all_), first_(n_all_), hessian_(n_all_ * n_all_), factor_(n_all_ * n_all_),
      curvature_(n_all_ * n_all_), column_(n_all_), scale_(n_),
      // The finish takes two evaluations at least.
      in_coefficients_(input.compress && n_all_ == n_ && !emulator_.is_cut() && options.max_evaluations > 2) {
    lower_.resize(n_all_);
    upper_.resize(n_all_);
    ends_.reserve(n_ * std::max(input.n_given, considered(input.n_starts)));
    free_.reserve(n_all_);
    if (plan.candidates())
        candidate_work_ =
            std::make_unique<Candidates::Workspace>(*plan.candidates(), considered(input.n_starts));
}

template <typename Number> void Fitter<Number>::fit(std::size_t i, const StopFlag& stop) {
    const std::size_t usable = set(i);
    store_nothing(i);
    if (ratio_) {
        std::copy_n(input_.flux + i * n_pixels_, n_pixels_, output_.flux + i * n_pixels_);
        std::copy_n(input_.ivar + i * n_pixels_, n_pixels_, output_.ivar + i * n_pixels_);
    }
    output_.n_pixels[i] = static_cast<std::int32_t>(usable);
    Status status = Status::TOO_FEW_PIXELS;
    if (usable > n_all_) {
        status = ratio_ ? measure_twice(i, stop) : measure(i, true, stop);
        if (status != Status::NON_FINITE && status != Status::TOO_FEW_PIXELS) {
            store_solution(i);
            if (!store_covariance(i))
                status = Status::SINGULAR;
        }
    }
    output_.status[i] = static_cast<std::int32_t>(status);
}

// Returns the number of usable pixels.
template <typename Number> std::size_t Fitter<Number>::set(std::size_t i) {
    seen_ = false;
    rounds_ = most_rounds;
    if (!view_) {
        const std::size_t n = emulator_.n_pixels();
        return spectrum_.set(n, input_.flux + i * n, input_.ivar + i * n, input_.scatter);
    }
    view_->set(i, best_.data());
    if (input_.medians)
        view_->narrow(input_.medians->inside + i * n_pixels_);
    else
        view_->narrow();
    const std::size_t first = i * input_.observed->n_pixels + view_->first();
    const std::size_t usable =
        spectrum_.set(view_->n(), input_.flux + first, input_.ivar + first, view_->scatter(input_.scatter));
    view_->fix_unseen_arms(spectrum_.weight());
    for (std::size_t k = n_; k < n_all_; ++k) {
        lower_[k] = view_->lower(k - n_);
        upper_[k] = view_->upper(k - n_);
    }
    return usable;
}

// to_the_end: chi2 and covariance are wanted as well, as exact as can be.
template <typename Number>
Status Fitter<Number>::measure(std::size_t i, bool to_the_end, const StopFlag& stop) {
    Status status = Status::NON_FINITE;
    if (in_coefficients_ && measure_in_coefficients(i, status, stop) &&
        (!to_the_end || status == Status::TOO_FEW_PIXELS || finish_in_coefficients(i, status, stop)))
        return status;
    return measure_in_pixels(i, stop);
}

template <typename Number> void Fitter<Number>::see() {
    if (view_ && !seen_)
        view_->see(best_.data());
    seen_ = true;
}

template <typename Number> Spectrum::Clipped Fitter<Number>::clip(std::size_t i, const double* model) {
    const auto clipped = spectrum_.clip(model, input_.clip);
    if (output_.n_clipped)
        output_.n_clipped[i] += static_cast<std::int32_t>(clipped.n);
    output_.n_pixels[i] -= static_cast<std::int32_t>(clipped.n);
    return clipped;
}

// What weighed that much may have led the search astray.
template <typename Number> bool Fitter<Number>::misled(const Spectrum::Clipped& clipped) const {
    return clipped.chi2 > misleading * least_;
}

template <typename Number> bool Fitter<Number>::too_few(std::size_t i) const {
    return static_cast<std::size_t>(output_.n_pixels[i]) <= n_all_;
}

template <typename Number> void Fitter<Number>::choose_starts(std::size_t i, bool compressed) {
    search_.clear();
    if (near_)
        return search_.add(near_start_.data());
    for (std::size_t s = 0; s < (input_.starts ? input_.n_given : 0); ++s) {
        emulator_.to_scaled(input_.starts + (i * input_.n_given + s) * n_, start_.data());
        if (std::all_of(start_.begin(), start_.end(), [](double x) { return std::isfinite(x); }))
            search_.add(start_.data());
    }
    if (search_.size() == 0 && compressed && plan_.candidates()) {
        Candidates::Workspace& work = *candidate_work_;
        plan_.candidates()->best(compressed_, considered(input_.n_starts), distinct, work);
        for (const std::size_t c : work.chosen)
            search_.add_candidate(work.order[c], work.chi2[c], &work.slope[c * compressed_.n_coefficients()]);
    }
    if (search_.size() == 0) {
        for (std::size_t l = 0; l < n_; ++l)
            start_[l] = 0.5 * (plan_.lower_scaled()[l] + plan_.upper_scaled()[l]);
        search_.add(start_.data());
    }
}

// Of compressed chi2, in float32: which of the starts leads to the least; their number if none does. Sets
// ends_.
template <typename Number> std::size_t Fitter<Number>::search(std::size_t i, const StopFlag& stop) {
    SolveOptions options = options_;
    options.cost_tol = 0.0; // chi2 in float32 is not that smooth
    options.chi2_error = search_chi2_error;
    options.learn_curvature = true;
    options.step_tol = std::max(options_.step_tol, search_step_tol);
    options.gradient_tol = std::max(options_.gradient_tol, search_gradient_tol);
    options.max_evaluations = std::min(options_.max_evaluations - 2, search_evaluations);
    search_.run(compressed_, plan_.lower_scaled().data(), plan_.upper_scaled().data(), options,
                input_.n_starts, stop);
    const std::size_t best = search_.best();
    if (best == search_.size())
        return best;
    ends_.clear();
    for (std::size_t s = 0; s < search_.size(); ++s) {
        if (search_.followed(s))
            ends_.insert(ends_.end(), search_.x(s), search_.x(s) + n_);
        output_.n_evaluations[i] += search_.result(s).n_evaluations;
    }
    std::copy_n(search_.x(best), n_, best_.begin());
    return best;
}

template class Fitter<float>;
template class Fitter<double>;

} // namespace maury

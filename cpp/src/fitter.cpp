#include "fitter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {
namespace {

constexpr double distinct = 0.05;        // of the label range: nearer candidates count as one
constexpr std::size_t n_considered = 24; // candidates among which the search chooses
constexpr double newton = 1e-4;          // damping of what starts next to the least
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
      point_(emulator_.trunk()),
      cut_point_(emulator_.is_cut() ? std::make_unique<TrunkPoint>(emulator_.search_trunk()) : nullptr),
      view_(input.observed ? std::make_unique<View>(emulator_, *input.observed, point_, spectrum_) : nullptr),
      pixels_(view_ ? nullptr : std::make_unique<PixelProblem>(emulator_, point_, spectrum_)),
      full_(view_ ? static_cast<FullProblem&>(view_->problem()) : *pixels_), compressed_(emulator_.basis()),
      compressed_problem_(compressed_, cut_point_ ? *cut_point_ : point_, n_),
      search_(emulator_, plan.candidates(), std::max(input.n_given, considered(input.n_starts))), solver_(n_),
      full_solver_(n_all_), lower_(plan.lower_scaled()), upper_(plan.upper_scaled()), start_(n_all_),
      best_(n_all_), first_(n_all_), hessian_(n_all_ * n_all_), factor_(n_all_ * n_all_),
      curvature_(n_all_ * n_all_), column_(n_all_), scale_(n_) {
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
    output_.n_pixels[i] = static_cast<std::int32_t>(usable);
    Status status = Status::TOO_FEW_PIXELS;
    if (usable > n_all_) {
        status = measure(i, stop);
        if (input_.clip > 0.0 && status != Status::NON_FINITE)
            status = measure_without_outliers(i, status, stop);
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
    if (!view_) {
        const std::size_t n = emulator_.n_pixels();
        return spectrum_.set(n, input_.flux + i * n, input_.ivar + i * n, input_.scatter);
    }
    view_->set(i, best_.data());
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

// The nuisances are searched from where they stand. Where they end far from there, once more from the end.
template <typename Number> Status Fitter<Number>::measure(std::size_t i, const StopFlag& stop) {
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
        view_->see(best_.data());
        compressed = compressed_.set(spectrum_.flux(), spectrum_.weight(), view_->rows(), view_->mean(),
                                     spectrum_.size(), stop);
    } else {
        compressed = compressed_.set(spectrum_.flux(), spectrum_.weight(), stop);
    }
    choose_starts(i, compressed);
    // The finish takes two evaluations at least.
    const bool compress = input_.compress && compressed && options_.max_evaluations > 2;
    return compress ? search_compressed(i, stop) : search_pixels(i);
}

template <typename Number>
Status Fitter<Number>::measure_without_outliers(std::size_t i, Status status, const StopFlag& stop) {
    constexpr int most_rounds = 5;
    for (int round = 0; round < most_rounds && status != Status::NON_FINITE; ++round) {
        full_.chi2(best_.data());
        const auto clipped = spectrum_.clip(full_.model(), input_.clip);
        if (clipped.n == 0)
            break;
        if (output_.n_clipped)
            output_.n_clipped[i] += static_cast<std::int32_t>(clipped.n);
        output_.n_pixels[i] -= static_cast<std::int32_t>(clipped.n);
        if (static_cast<std::size_t>(output_.n_pixels[i]) <= n_all_)
            return Status::TOO_FEW_PIXELS;
        // What weighed that much may have led the search astray.
        if (clipped.chi2 > misleading * least_) {
            status = measure(i, stop);
        } else {
            SolveOptions options = options_;
            options.first_damping = newton;
            status = keep(finish(i, best_.data(), nullptr, options), best_);
        }
    }
    return status;
}

template <typename Number> void Fitter<Number>::choose_starts(std::size_t i, bool compressed) {
    search_.clear();
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

// Both searches set best_, least_, hessian_ and, from the starts, ends_. They leave the nuisances as they
// are; the finish does not.

// The search decides which minimum; that is followed in double to its end, at last in pixel space.
template <typename Number> Status Fitter<Number>::search_compressed(std::size_t i, const StopFlag& stop) {
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
        return search_pixels(i);
    ends_.clear();
    for (std::size_t s = 0; s < search_.size(); ++s) {
        if (search_.followed(s))
            ends_.insert(ends_.end(), search_.x(s), search_.x(s) + n_);
        output_.n_evaluations[i] += search_.result(s).n_evaluations;
    }
    std::copy_n(search_.x(best), n_, best_.begin());

    options = options_;
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

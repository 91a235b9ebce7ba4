// The exact fit of one spectrum, without its outliers.
#include "spectrum_fit.hpp"

#include <algorithm>
#include <cmath>

namespace maury {
namespace {

constexpr double far = 0.5;         // pixels: a search elsewhere may end in another minimum
constexpr double misleading = 0.2;  // part of chi2 that may have led the search astray
constexpr double near_enough = 0.3; // formal errors: to tell outliers,
constexpr double first_look = 1.0;  // and the gross ones, which move the fit farther than this
constexpr int most_looks = 5;       // for outliers, at the same labels
constexpr double coarse_reach = 0.25, fine_reach = 0.01; // pixels: see Finish::set_reach
constexpr double newton = 1e-4;                          // damping of what starts next to the least

} // namespace

// From best_ on: near the end outliers are left out until there are no more, then the fit goes to its end.
Status SpectrumFit::finish(const StopFlag& stop) {
    int rounds = options_.clip > 0.0 ? most_rounds : 0;
    for (;;) {
        while (rounds > 0) {
            const double tolerance = rounds == most_rounds ? first_look : near_enough;
            const SolveResult result = solve(best_.data(), tolerance, options_.max_evaluations);
            if (result.status == Status::NON_FINITE)
                return result.status;
            if (!leave_out_outliers()) {
                take_last_step(result);
                break;
            }
            --rounds;
            if (n_pixels_ <= n_all_)
                return Status::TOO_FEW_PIXELS;
            if (misled_ && !search_again(stop))
                return Status::NON_FINITE;
        }
        if (nuisances_.shift) {
            pixels_.set_blur(best_[n_]); // of the emulator where it is now
            finish_.forget_place();
        }
        const SolveResult result = solve(best_.data(), 0.0, options_.max_evaluations);
        take_last_step(result);
        if (result.status == Status::NON_FINITE || rounds == 0 || !leave_out_outliers())
            return result.status;
        --rounds;
        if (n_pixels_ <= n_all_)
            return Status::TOO_FEW_PIXELS;
    }
}

// A solution that has converged ends with a step that is too short to need a look.
void SpectrumFit::take_last_step(const SolveResult& result) {
    if (result.status == Status::GRADIENT)
        std::copy_n(solvers_[n_all_ - n_]->trial(), n_all_, best_.begin());
}

// Whether there were any. Without them the continuum is another, which may show more, but not where they led
// the labels astray.
bool SpectrumFit::leave_out_outliers() {
    std::size_t n_found = 0;
    misled_ = false;
    for (int look = 0; look < most_looks && !misled_; ++look) {
        const double chi2 = finish_.chi2(best_.data());
        clip_.find(finish_.data(), finish_.fitted_with_modes(), finish_.weight(), finish_.size(),
                   options_.clip);
        if (clip_.pixels().empty())
            break;
        finish_.drop(clip_.pixels());
        n_found += clip_.pixels().size();
        misled_ = clip_.chi2() > misleading * chi2;
    }
    n_clipped_ += n_found;
    n_pixels_ -= n_found;
    return n_found > 0;
}

// tolerance: gradient_tol; 0 = that of the end. The step after it leaves less than a tenth of that.
SolveResult SpectrumFit::solve(double* x, double tolerance, int most_evaluations) {
    SolveOptions options;
    options.gradient_tol = tolerance > 0.0 ? tolerance : 2e-3;
    options.step_tol = 1e-6;
    options.chi2_error = nuisances_.count() > 0 ? (tolerance > 0.0 ? 1e-2 : 1e-5) : 0.0; // of the reach
    options.first_damping = newton;
    options.learn_curvature = true;
    options.max_evaluations = most_evaluations;
    finish_.set_reach(tolerance > 0.0 ? coarse_reach : fine_reach);
    Solver& solver = *solvers_[n_all_ - n_];
    WithPrior with_prior(finish_, prior_, n_all_);
    Problem& problem = prior_.given() ? static_cast<Problem&>(with_prior) : finish_;
    const SolveResult result = solver.solve(problem, lower_.data(), upper_.data(), x, options);
    n_evaluations_ += result.n_evaluations;
    if (result.status != Status::NON_FINITE)
        std::copy_n(solver.hessian(), n_all_ * n_all_, hessian_.begin());
    return result;
}

bool SpectrumFit::moved() const { return nuisances_.shift && std::abs(best_[n_] - shift_) > far; }

} // namespace maury

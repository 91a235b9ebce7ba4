// The search for the lowest minimum of chi2, on a quadratic form of the emulator's coefficients.
#include "simd/kernels.hpp"
#include "spectrum_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {
namespace {

constexpr double distinct = 0.05; // of the label range: nearer candidates count as one
// Ends that lie farther apart than this [squared formal errors] are compared by the exact chi2, if the
// approximate one puts them so near to the least: by so much, or by this part of what the search gained.
constexpr double apart = 1.0, close_call = 25.0, close_part = 0.1;
constexpr double guess_apart = 9.0; // the same for the end of a photometric start, from that of the fit
constexpr std::size_t most_compared = 4;
constexpr double look_closer = 0.3; // formal errors: the tolerance of that comparison
constexpr int few_evaluations = 8;
constexpr int most_wins = 3;        // of a guess: each shows its velocity better
constexpr double elsewhere = 900.0; // squared formal errors from the centre: there the form is poor

// Of chi2 in float32.
SolveOptions search_options(int most_evaluations) {
    SolveOptions options;
    options.cost_tol = 0.0; // the rounding of float32 is too large for it
    options.chi2_error = 1e-2;
    options.learn_curvature = true;
    options.step_tol = options.gradient_tol = 1e-3;
    options.max_evaluations = std::clamp(most_evaluations, 1, 50); // of a start
    return options;
}

} // namespace

// Sets the labels of best_; the nuisances stay as they are.
bool SpectrumFit::search(const StopFlag& stop) {
    stop.check();
    finish_.place(best_.data());
    set_gram();
    centre_on_mean();
    if (!quadratic_.finite())
        return false;
    find_starts();
    centre_on_first_start();
    add_candidates();
    return choose_end(stop);
}

// After outliers are left out, from best_, where the quadratic form is exact: it need not be centred twice.
bool SpectrumFit::search_again(const StopFlag& stop) {
    stop.check();
    set_gram();
    centre_on(best_.data());
    if (!quadratic_.finite())
        return false;
    before_ = best_;
    find_starts();
    add_candidates();
    if (!choose_end(stop))
        return false;
    return search_.distance_squared(best_.data(), before_.data(), search_.best()) <= elsewhere ||
           search(stop);
}

// The mean weight of each stretch of the grid, per pixel of the grid, and the mean blur that its data have
// and the emulator lacks; a pixel wider than the grid's blurs too.
void SpectrumFit::set_gram() {
    constexpr double length = GramStretches::length;
    const GramStretches& stretches = plan_.gram_stretches();
    stretch_weight_.assign(stretches.size(), 0.0);
    stretch_variance_.assign(stretches.size(), 0.0);
    const double extra = nuisances_.extra ? best_[n_all_ - 1] : 0.0;
    for (std::size_t p = 0; p < n_used_; ++p) {
        const std::size_t q = first_ + p;
        if (!(finish_.weight()[p] > 0.0))
            continue;
        const double shift = finish_.shifts()[static_cast<std::size_t>(pixels_.arm()[q])];
        const double place = std::clamp((pixels_.place()[q] - shift + 0.5) / length, 0.0,
                                        static_cast<double>(stretches.size()) - 0.5);
        const auto b = static_cast<std::size_t>(place);
        const double width = pixels_.high()[q] - pixels_.low()[q],
                     weight = finish_.weight()[p] * continuum_[q] * continuum_[q];
        stretch_weight_[b] += weight;
        stretch_variance_[b] += weight * (pixels_.variance()[q] + extra + (width * width - 1.0) / 12.0);
    }
    const std::size_t n_grid = emulator_.n_pixels();
    for (std::size_t b = 0; b < stretches.size(); ++b) {
        stretch_variance_[b] =
            stretch_weight_[b] > 0.0 ? std::max(0.0, stretch_variance_[b] / stretch_weight_[b]) : 0.0;
        stretch_weight_[b] /=
            static_cast<double>(std::min(GramStretches::length, n_grid - b * GramStretches::length));
    }
    stretches.sum(stretch_weight_.data(), stretch_variance_.data(), quadratic_.gram_to_set(), gram_work_);
    quadratic_.pack();
}

// With the first continuum, about the mean spectrum of the basis.
void SpectrumFit::centre_on_mean() {
    const double* mean = finish_.show_mean();
    values_.assign(n_used_, 0.0);
    double constant = 0.0;
    for (std::size_t p = 0; p < n_used_; ++p) {
        const double weight = finish_.weight()[p], c = continuum_[first_ + p];
        if (!(weight > 0.0))
            continue;
        const double residual = finish_.data()[p] - c * mean[p];
        values_[p] = weight * c * residual;
        constant += weight * residual * residual;
    }
    quadratic_.set_centre(emulator_.basis().middle.data(), constant);
    finish_.project(values_.data(), quadratic_.linear_to_set());
}

// With the continuum of the finish, about its model at x. The quadratic form knows no residual modes.
void SpectrumFit::centre_on(const double* x) {
    finish_.chi2(x);
    const double constant = finish_.chi2_without_modes();
    ++n_evaluations_;
    values_.resize(n_used_);
    for (std::size_t p = 0; p < n_used_; ++p)
        values_[p] = finish_.weight()[p] * finish_.continuum()[p] * (finish_.data()[p] - finish_.fitted()[p]);
    const double* h = (cut_point_ ? *cut_point_ : point_).coefficients(x);
    quadratic_.set_centre(h, constant);
    finish_.project(values_.data(), quadratic_.linear_to_set());
}

// Starts given with the spectrum, or else the best candidates, or the middle.
void SpectrumFit::find_starts() {
    search_.clear();
    for (std::size_t s = 0; s < (spectra_.starts ? spectra_.n_given : 0); ++s) {
        emulator_.to_scaled(spectra_.starts + (spectrum_ * spectra_.n_given + s) * n_, trial_.data());
        if (std::all_of(trial_.begin(), trial_.begin() + static_cast<std::ptrdiff_t>(n_),
                        [](double x) { return std::isfinite(x); }))
            search_.add(trial_.data());
    }
    if (search_.size() > 0)
        return;
    if (plan_.candidates())
        return plan_.candidates()->best(quadratic_, prior_, candidate_work_->most(), distinct,
                                        *candidate_work_);
    for (std::size_t l = 0; l < n_; ++l)
        trial_[l] = 0.5 * (lower_[l] + upper_[l]);
    search_.add(trial_.data());
}

// There the quadratic form is then exact.
void SpectrumFit::centre_on_first_start() {
    const bool given = search_.size() > 0;
    if (!given && candidate_work_->chosen.empty())
        return;
    const double* const x =
        given ? search_.start(0) : plan_.candidates()->x(candidate_work_->order[candidate_work_->chosen[0]]);
    trial_ = best_;
    for (std::size_t l = 0; l < n_; ++l)
        trial_[l] = std::clamp(x[l], lower_[l], upper_[l]);
    centre_on(trial_.data());
}

// Those found, unless there are other starts.
void SpectrumFit::add_candidates() {
    if (search_.size() > 0)
        return;
    Candidates::Workspace& work = *candidate_work_;
    for (const std::size_t c : work.chosen) {
        double* slope = &work.slope[c * quadratic_.n_coefficients()];
        std::copy_n(plan_.candidates()->coefficients(work.order[c]), quadratic_.n_coefficients(), h_.begin());
        search_.add_candidate(work.order[c], quadratic_.chi2(h_.data(), slope), slope);
    }
}

// The end of the least chi2. Where several are close, the exact one decides, near the bottom of each.
bool SpectrumFit::choose_end(const StopFlag& stop) {
    const double before = quadratic_.constant();
    search_.run(quadratic_, lower_.data(), upper_.data(), search_options(options_.max_evaluations),
                static_cast<std::size_t>(options_.n_starts), stop);
    const std::size_t best = search_.best();
    if (best == search_.size())
        return false;
    ends_.clear();
    for (std::size_t s = 0; s < search_.size(); ++s)
        if (search_.followed(s))
            ends_.insert(ends_.end(), search_.x(s), search_.x(s) + n_);
    winner_.assign(search_.x(best), search_.x(best) + n_);
    std::copy_n(search_.x(best), n_, best_.begin());
    const double lowest = search_.result(best).chi2,
                 tolerance = close_call + close_part * std::max(0.0, before - lowest);
    rivals_.clear();
    for (std::size_t s = 0; s < search_.size(); ++s)
        if (s != best && search_.ended(s) && search_.result(s).chi2 < lowest + tolerance &&
            search_.distance_squared(search_.x(s), search_.x(best), best) > apart)
            rivals_.push_back(s);
    std::sort(rivals_.begin(), rivals_.end(), [&](std::size_t a, std::size_t b) {
        return search_.result(a).chi2 < search_.result(b).chi2 ||
               (search_.result(a).chi2 == search_.result(b).chi2 && a < b);
    });
    if (rivals_.empty())
        return true;
    double least = solve(best_.data(), look_closer, few_evaluations).chi2;
    for (std::size_t r = 0; r < std::min(rivals_.size(), most_compared); ++r) {
        trial_ = best_;
        std::copy_n(search_.x(rivals_[r]), n_, trial_.begin());
        if (keep_if_lower(least))
            winner_.assign(search_.x(rivals_[r]), search_.x(rivals_[r]) + n_);
    }
    return true;
}

// trial_ -> best_, if chi2 is lower near the bottom of the minimum that it lies in, and that is another one.
bool SpectrumFit::keep_if_lower(double& least) {
    const SolveResult result = solve(trial_.data(), look_closer, few_evaluations);
    if (result.status == Status::NON_FINITE || !(result.chi2 < least) ||
        distance_squared(trial_.data(), best_.data()) <= 1.0)
        return false;
    least = result.chi2;
    best_ = trial_;
    return true;
}

// One start more, after the fit, with a search of its own. It replaces the fit only by a lower chi2 of the
// same pixels: which are outliers depends on where a fit starts.
Status SpectrumFit::try_guess(Status found, const StopFlag& stop) {
    guess_.resize(n_);
    emulator_.to_scaled(spectra_.guess + spectrum_ * n_, guess_.data());
    for (std::size_t l = 0; l < n_; ++l) {
        if (!std::isfinite(guess_[l]))
            return found;
        guess_[l] = std::clamp(guess_[l], lower_[l], upper_[l]);
    }
    for (int round = 0; round < most_wins && guess_wins(stop); ++round) {
        guessed_ = true;
        found = finish(stop);
        if (found == Status::NON_FINITE || found == Status::TOO_FEW_PIXELS)
            return found;
    }
    if (guessed_)
        winner_.assign(best_.begin(), best_.begin() + static_cast<std::ptrdiff_t>(n_));
    if (guessed_ || search_.best() < search_.size()) {
        const double* end = guessed_ ? best_.data() : search_.x(0);
        ends_.insert(ends_.end(), end, end + n_);
    }
    return found;
}

bool SpectrumFit::guess_wins(const StopFlag& stop) {
    centre_on(best_.data()); // from where a start near the fit ends in it
    search_.clear();
    search_.add(guess_.data());
    search_.run(quadratic_, lower_.data(), upper_.data(), search_options(options_.max_evaluations), 1, stop);
    if (search_.best() == search_.size() ||
        search_.distance_squared(search_.x(0), best_.data(), 0) <= guess_apart)
        return false;
    trial_ = best_;
    std::copy_n(search_.x(0), n_, trial_.begin());
    double least = finish_.chi2(best_.data()) + prior_.chi2(best_.data());
    if (keep_if_lower(least))
        return true;
    finish_.forget_place(); // the solve had a coarser reach
    return false;
}

} // namespace maury

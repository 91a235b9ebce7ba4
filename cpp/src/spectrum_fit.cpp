#include "spectrum_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {
namespace {

constexpr std::size_t n_considered = 24; // candidates among which the search chooses
constexpr int most_moves = 3;            // searches at another velocity
constexpr double far = 0.5;              // pixels: a search elsewhere may end in another minimum
constexpr double misleading = 0.2;       // part of chi2 that may have led the search astray
constexpr double near_enough = 0.3;      // formal errors: to tell outliers,
constexpr double first_look = 1.0;       // and the gross ones, which move the fit farther than this
constexpr int most_looks = 5;            // for outliers, at the same labels
constexpr double coarse_reach = 0.25, fine_reach = 0.01; // pixels: see Finish::set_reach
constexpr double newton = 1e-4;                          // damping of what starts next to the least

std::size_t considered(int n_starts) {
    return std::max(n_considered, 2 * static_cast<std::size_t>(n_starts));
}

} // namespace

SpectrumFit::SpectrumFit(const Plan& plan, const Options& options, const Spectra& spectra,
                         const Results& results)
    : plan_(plan), emulator_(plan.emulator()), options_(options), spectra_(spectra), results_(results),
      n_(emulator_.n_labels()), n_all_(n_), point_(emulator_.trunk()),
      cut_point_(emulator_.is_cut() ? std::make_unique<TrunkPoint>(emulator_.search_trunk()) : nullptr),
      pixels_(plan.grid()), velocity_scan_(plan), finish_(emulator_, point_, plan.grid().window()),
      prior_(emulator_), quadratic_(emulator_.basis()),
      search_(emulator_, plan.candidates(), prior_,
              std::max(spectra.n_given, considered(options.n_starts)) + 1),
      dx_dlabel_(n_), h_(emulator_.basis().stride) {
    if (plan.candidates())
        candidate_work_ =
            std::make_unique<Candidates::Workspace>(*plan.candidates(), considered(options.n_starts));
}

void SpectrumFit::fit(std::size_t i, const StopFlag& stop) {
    store_nothing(i);
    Status status = measure(i, stop);
    results_.n_pixels[i] = static_cast<std::int32_t>(n_pixels_);
    results_.n_clipped[i] = static_cast<std::int32_t>(n_clipped_);
    results_.n_evaluations[i] = n_evaluations_;
    results_.sharper[i] = pixels_.sharper();
    if (status != Status::NON_FINITE && status != Status::TOO_FEW_PIXELS) {
        store(i);
        if (!store_covariance(i))
            status = Status::SINGULAR;
        store_velocities(i);
        store_models(i);
    }
    results_.status[i] = static_cast<std::int32_t>(status);
}

Status SpectrumFit::measure(std::size_t i, const StopFlag& stop) {
    spectrum_ = i;
    n_pixels_ = n_clipped_ = 0;
    n_evaluations_ = 0;
    guessed_ = false;
    prior_.clear();
    if (spectra_.prior_mean)
        prior_.set(spectra_.prior_mean + i * n_, spectra_.prior_precision + i * n_ * n_);
    const WavelengthGrid& grid = plan_.grid();
    const double rv = known_velocity(i);
    free_ = spectra_.fit_rv && spectra_.fit_rv[i];
    pixels_.set(spectra_, i, rv);
    const double most = free_ ? grid.to_shift(options_.max_rv) : 0.0;
    shift_ = grid.even() ? grid.to_shift(rv) : 0.0;
    if (free_)
        shift_ = std::clamp(shift_, -most, most);
    pixels_.see_at(shift_);
    if (options_.continuum)
        first_continuum_.set(pixels_, grid, free_ ? 0.0 : shift_, most + 1.0);
    normalise();
    if (free_) {
        const double found = find_velocity(most, stop);
        if (std::isfinite(found))
            shift_ = found;
    }
    Status status = Status::TOO_FEW_PIXELS;
    for (int move = 0; move < most_moves; ++move) {
        if (!weigh(i, stop))
            return Status::TOO_FEW_PIXELS;
        if (!search(stop))
            return Status::NON_FINITE;
        status = finish(stop);
        if (status == Status::NON_FINITE || status == Status::TOO_FEW_PIXELS || !moved())
            break;
        shift_ = best_[n_]; // where the search should have looked
    }
    return status;
}

double SpectrumFit::known_velocity(std::size_t i) const {
    return spectra_.rv && std::isfinite(spectra_.rv[i]) ? spectra_.rv[i] : 0.0;
}

void SpectrumFit::normalise() {
    const std::size_t n = pixels_.size();
    continuum_.assign(n, 1.0);
    if (options_.continuum)
        continuum_ = first_continuum_.values();
    normalised_.resize(n);
    relative_.resize(n);
    for (std::size_t p = 0; p < n; ++p) {
        const double c = continuum_[p], relative = pixels_.ivar()[p] * c * c;
        const bool good = pixels_.ivar()[p] > 0.0 && std::isfinite(relative);
        normalised_[p] = good ? pixels_.flux()[p] / c : 1.0;
        relative_[p] = good ? relative : 0.0;
    }
}

double SpectrumFit::find_velocity(double most, const StopFlag& stop) {
    return velocity_scan_(pixels_.place(), normalised_.data(), relative_.data(), pixels_.size(),
                          options_.use_scatter, most, stop);
}

// w_p = 1 / (1 / ivar_p + (scatter_p c_p)^2), c the first continuum; of the pixels from the first to the last
// that lie on the emulator at the shift.
bool SpectrumFit::weigh(std::size_t i, const StopFlag& stop) {
    const WavelengthGrid& grid = plan_.grid();
    pixels_.see_at(shift_);
    normalise();
    std::size_t first = 0, end = pixels_.size();
    while (first < end && !pixels_.covered(first, shift_))
        ++first;
    while (first < end && !pixels_.covered(end - 1, shift_))
        --end;
    first_ = first;
    n_used_ = end - first;
    weight_.assign(n_used_, 0.0);
    n_pixels_ = n_clipped_ = 0;
    for (std::size_t p = first; p < end; ++p) {
        if (!(relative_[p] > 0.0) || left_out(p) || !pixels_.on_emulator(p, shift_))
            continue;
        const double scatter = options_.use_scatter ? grid.scatter(pixels_.place()[p] - shift_) : 0.0;
        const double weight = pixels_.ivar()[p] / (1.0 + relative_[p] * scatter * scatter);
        if (!(weight > 0.0) || !std::isfinite(weight))
            continue;
        weight_[p - first] = weight;
        ++n_pixels_;
    }
    set_nuisances(i);
    if (n_pixels_ <= n_all_)
        return false;
    set_finish(stop);
    return true;
}

// The modes are times the first continuum, as the scatter is.
void SpectrumFit::set_finish(const StopFlag& stop) {
    finish_.set(pixels_, first_, n_used_, pixels_.flux() + first_, weight_.data(), nuisances_, shift_,
                options_.continuum, options_.use_scatter ? plan_.modes() : nullptr, &continuum_[first_],
                stop);
}

bool SpectrumFit::left_out(std::size_t p) const {
    if (options_.leave_out.empty())
        return false;
    const double observed = pixels_.wavelength()[p];
    const double rv = plan_.grid().even() ? plan_.grid().to_rv(shift_) : known_velocity(spectrum_);
    const double rest = observed / (1.0 + rv / speed_of_light);
    return std::any_of(options_.leave_out.begin(), options_.leave_out.end(), [&](const Region& region) {
        const double here = region.moves ? rest : observed;
        return here > region.low && here < region.high;
    });
}

// Nuisances with their bounds. An arm without weight tells no velocity, and one is needed that the others
// differ from.
void SpectrumFit::set_nuisances(std::size_t i) {
    nuisances_.n_arms = pixels_.n_arms();
    nuisances_.shift = free_;
    nuisances_.arms = spectra_.fit_arms && spectra_.fit_arms[i] && pixels_.n_arms() > 1;
    nuisances_.extra = options_.broadening;
    n_all_ = n_ + nuisances_.count();
    for (auto* values : {&lower_, &upper_, &best_, &trial_})
        values->resize(n_all_);
    std::copy_n(plan_.lower_scaled().begin(), n_, lower_.begin());
    std::copy_n(plan_.upper_scaled().begin(), n_, upper_.begin());
    std::size_t k = n_;
    const auto add = [&](double start, double lower, double upper) {
        lower_[k] = lower;
        upper_[k] = upper;
        best_[k++] = std::clamp(start, lower, upper);
    };
    if (nuisances_.shift) {
        const double most = plan_.grid().to_shift(options_.max_rv),
                     least = plan_.grid().to_shift(-options_.max_rv);
        add(shift_, least, most);
    }
    if (nuisances_.arms) {
        const auto used = [&](std::size_t arm) {
            for (std::size_t p = 0; p < n_used_; ++p)
                if (weight_[p] > 0.0 && pixels_.arm()[first_ + p] == static_cast<std::int32_t>(arm))
                    return true;
            return false;
        };
        bool others_differ = used(0);
        for (std::size_t arm = 1; arm < nuisances_.n_arms; ++arm) {
            const bool here = used(arm), varies = here && others_differ;
            add(0.0, varies ? -Options::most_arm_shift : 0.0, varies ? Options::most_arm_shift : 0.0);
            others_differ = others_differ || here;
        }
    }
    if (nuisances_.extra) { // no pixel can be narrowed below the emulator
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t p = 0; p < n_used_ && !pixels_.has_matrix(); ++p)
            if (pixels_.covered(first_ + p, shift_))
                least = std::min(least, pixels_.variance()[first_ + p]);
        add(0.0, std::isfinite(least) ? -least : 0.0, Options::most_broadening * Options::most_broadening);
    }
    hessian_.resize(n_all_ * n_all_);
    factor_.resize(n_all_ * n_all_);
    column_.resize(n_all_);
    if (solvers_.size() <= n_all_ - n_)
        solvers_.resize(n_all_ - n_ + 1);
    if (!solvers_[n_all_ - n_])
        solvers_[n_all_ - n_] = std::make_unique<Solver>(n_all_);
}

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

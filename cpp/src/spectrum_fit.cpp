#include "spectrum_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {
namespace {

constexpr std::size_t n_considered = 24; // candidates among which the search chooses
constexpr int most_moves = 3;            // searches at another velocity

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
        if (status == Status::NON_FINITE || status == Status::TOO_FEW_PIXELS)
            return status;
        if (!moved())
            break;
        shift_ = best_[n_]; // where the search should have looked
    }
    return spectra_.guess ? try_guess(status, stop) : status;
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

} // namespace maury

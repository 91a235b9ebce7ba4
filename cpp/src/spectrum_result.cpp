#include "spectrum_result.hpp"

#include "spectrum_checks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {
namespace {

constexpr double not_known = std::numeric_limits<double>::quiet_NaN();
constexpr double fwhm_per_sigma = 2.3548200450309493;

} // namespace

SpectrumResult::SpectrumResult(const ModelState& model, const Plan& plan, const Options& options)
    : model_(model), plan_(plan), options_(options),
      residuals_(model.parts.wavelength, model.parts.scatter, static_cast<double>(model.parts.window),
                 model.parts.held_out_rms),
      at_bound_(std::make_unique<bool[]>(model.parts.labels.size())) {
    spectra_.n = 1;
    spectra_.rv = &rv_;
    spectra_.fit_rv = &moving_;
    spectra_.fit_arms = &moving_arms_;
    results_.n_pixels = &n_pixels_;
    results_.n_clipped = &n_clipped_;
    results_.status = &status_;
    results_.n_evaluations = &n_evaluations_;
    results_.n_starts = &n_starts_;
    results_.n_agree = &n_agree_;
    results_.at_bound = at_bound_.get();
    results_.guessed = &guessed_;
    results_.sharper = &sharper_;
}

void SpectrumResult::operator()(const Spectrum& spectrum, Result& result, const StopFlag& stop) {
    check_sizes(spectrum, model_.parts.labels.size());
    result.problem = fault_of(spectrum);
    take(spectrum);
    if (!result.problem.empty())
        std::fill(ivar_.begin(), ivar_.end(), 0.0);
    make_room(result);
    if (!fit_ || spectra_.n_given > most_given_) {
        most_given_ = spectra_.n_given;
        fit_ = std::make_unique<SpectrumFit>(plan_, options_, spectra_, results_);
    }
    if (result.problem.empty())
        fit_->fit(0, stop);
    const ResidualSigns residuals =
        residuals_.judge({wavelength_.size(), wavelength_.data(), result.flux.data(), result.ivar.data(),
                          result.model.data(), result.continuum.data(), result.rv});
    set_numbers(spectrum, residuals, result);
    set_errors(result);
    set_flags(spectrum, residuals, result);
}

// The arrays with what is not known as the fit wants it.
void SpectrumResult::take(const Spectrum& spectrum) {
    const std::size_t n = spectrum.wavelength.size, n_labels = model_.parts.labels.size();
    const double *wavelength = spectrum.wavelength.data, *flux = spectrum.flux.data;
    wavelength_.resize(n);
    ivar_.resize(n);
    bad_.resize(n);
    for (std::size_t p = 0; p < n; ++p) {
        wavelength_[p] = std::isfinite(wavelength[p]) ? wavelength[p] : not_known;
        const double ivar = spectrum.ivar.data[p];
        ivar_[p] = std::isfinite(ivar) && ivar > 0.0 ? ivar : 0.0;
        bad_[p] = !std::isfinite(flux[p]) || ivar_[p] == 0.0 || std::isnan(wavelength_[p]) ||
                  (spectrum.mask.size > 0 && spectrum.mask.data[p]);
        if (bad_[p])
            ivar_[p] = 0.0;
    }
    const bool assumed = options_.resolution > 0.0 || options_.fwhm > 0.0;
    lsf_.resize(spectrum.lsf.size > 0 || assumed ? n : 0);
    for (std::size_t p = 0; p < lsf_.size(); ++p) {
        const double sigma = spectrum.lsf.size > 0 ? spectrum.lsf.data[p] : not_known;
        const double width = options_.resolution > 0.0 ? wavelength_[p] / options_.resolution : options_.fwhm;
        lsf_[p] = std::isfinite(sigma) && sigma > 0.0 ? sigma : assumed ? width / fwhm_per_sigma : not_known;
    }
    const std::size_t n_neighbours = n > 0 ? spectrum.resolution.size / n : 0;
    resolution_.assign(spectrum.resolution.data, spectrum.resolution.data + spectrum.resolution.size);
    for (std::size_t p = 0; p < n && n_neighbours > 0; ++p) {
        double* row = &resolution_[p * n_neighbours];
        if (!std::all_of(row, row + n_neighbours, [](double v) { return std::isfinite(v); }))
            std::fill_n(row, n_neighbours, not_known);
    }
    spectra_.n_pixels = n;
    spectra_.wavelength = wavelength_.data();
    spectra_.flux = flux;
    spectra_.ivar = ivar_.data();
    spectra_.sigma = lsf_.empty() ? nullptr : lsf_.data();
    spectra_.arm = spectrum.arm.size > 0 ? spectrum.arm.data : nullptr;
    spectra_.n_neighbours = n_neighbours;
    spectra_.resolution = n_neighbours > 0 ? resolution_.data() : nullptr;
    spectra_.n_given = spectrum.starts.size / n_labels;
    spectra_.starts = spectra_.n_given > 0 ? spectrum.starts.data : nullptr;
    spectra_.guess = spectrum.guess.size > 0 ? spectrum.guess.data : nullptr;
    spectra_.prior_mean = spectrum.prior_mean.size > 0 ? spectrum.prior_mean.data : nullptr;
    spectra_.prior_precision = spectrum.prior_precision.data;
    rv_ = std::abs(spectrum.rv) < speed_of_light ? spectrum.rv : not_known;
    moving_ = options_.velocity == Options::Velocity::fit && rv_ != 0.0;
    moving_arms_ = options_.arm_rv.value_or(moving_ && spectra_.arm);
}

void SpectrumResult::make_room(Result& result) {
    const std::size_t n = spectra_.n_pixels, n_labels = model_.parts.labels.size();
    for (auto* values : {&result.labels, &result.errors, &result.formal_errors, &result.model_errors})
        values->assign(n_labels, not_known);
    for (auto* values : {&result.covariance, &result.formal_covariance})
        values->assign(n_labels * n_labels, not_known);
    for (auto* values : {&result.model, &result.continuum, &result.flux, &result.ivar})
        values->assign(n, not_known);
    result.weight.assign(n, 0.0);
    std::int32_t last = 0;
    for (std::size_t p = 0; spectra_.arm && result.problem.empty() && p < n; ++p)
        last = std::max(last, spectra_.arm[p]);
    results_.n_arms = static_cast<std::size_t>(last) + 1;
    result.arm_rv.assign(static_cast<std::size_t>(last), not_known);
    result.chi2 = result.chi2_noise = result.chi2_prior = result.rv = result.rv_err = result.broadening =
        result.broadening_err = not_known;
    n_pixels_ = n_clipped_ = n_evaluations_ = n_starts_ = n_agree_ = 0;
    status_ = static_cast<std::int32_t>(Status::TOO_FEW_PIXELS);
    guessed_ = sharper_ = false;
    results_.labels = result.labels.data();
    covariance_.resize(n_labels * n_labels);
    results_.covariance = covariance_.data();
    results_.noise_covariance = result.formal_covariance.data();
    results_.chi2 = &result.chi2;
    results_.chi2_noise = &result.chi2_noise;
    results_.chi2_prior = &result.chi2_prior;
    results_.rv = &result.rv;
    results_.rv_err = &result.rv_err;
    results_.arm_rv = result.arm_rv.data();
    results_.broadening = &result.broadening;
    results_.broadening_err = &result.broadening_err;
    results_.model = result.model.data();
    results_.continuum = result.continuum.data();
    results_.weight = result.weight.data();
    results_.flux = result.flux.data();
    results_.ivar = result.ivar.data();
}

void SpectrumResult::set_numbers(const Spectrum& spectrum, const ResidualSigns& residuals, Result& result) {
    const auto n_labels = static_cast<int>(model_.parts.labels.size());
    result.n_pixels = n_pixels_;
    result.n_clipped = n_clipped_;
    result.n_starts = n_starts_;
    result.n_agree = n_agree_;
    result.n_evaluations = n_evaluations_;
    result.status = static_cast<Status>(status_);
    result.converged = converged(result.status);
    result.start = guessed_ ? Start::guess : Start::search;
    for (std::size_t s = 0; s < spectra_.n_given; ++s) {
        const double* start = spectra_.starts + s * model_.parts.labels.size();
        if (std::all_of(start, start + n_labels, [](double y) { return std::isfinite(y); }))
            result.start = Start::given;
    }
    if (!std::isfinite(result.rv_err))
        result.rv = rv_;
    if (!moving_arms_)
        result.arm_rv.clear();
    const int freedom = result.n_pixels - n_labels;
    const double per_freedom = freedom > 0 ? static_cast<double>(freedom) : not_known;
    result.rchi2 = result.chi2 / per_freedom;
    result.rchi2_noise = result.chi2_noise / per_freedom;
    result.training_distance = model_.distance(result.labels.data());
    result.snr = std::isfinite(spectrum.snr) ? spectrum.snr : residuals.snr;
}

// The noise is the formal error, more where the fit is worse than the noise; the total has the error of the
// model besides, none for a fixed label.
void SpectrumResult::set_errors(Result& result) {
    const std::size_t n = model_.parts.labels.size();
    const double factor = std::sqrt(std::fmax(1.0, result.rchi2));
    model_.error_at(result.labels.data(), result.model_errors.data());
    const auto known = [](double value) { return std::isnan(value) ? 0.0 : value; };
    for (std::size_t l = 0; l < n; ++l) {
        const double variance = result.formal_covariance[l * n + l];
        const double formal = variance >= 0.0 ? std::sqrt(variance) : not_known, noise = formal * factor;
        if (formal == 0.0)
            result.model_errors[l] = 0.0;
        result.formal_errors[l] = formal;
        result.errors[l] = std::hypot(noise, known(result.model_errors[l]));
    }
    const auto larger = [&](std::size_t l) {
        const double formal = result.formal_errors[l];
        return formal > 0.0 ? formal * factor / formal : 1.0;
    };
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t k = 0; k < n; ++k) {
            double covariance = result.formal_covariance[j * n + k] * larger(j) * larger(k);
            if (model_.parts.error)
                covariance += model_.parts.error->correlation[j * n + k] * known(result.model_errors[j]) *
                              known(result.model_errors[k]);
            result.covariance[j * n + k] = covariance;
        }
}

void SpectrumResult::set_flags(const Spectrum& spectrum, const ResidualSigns& residuals, Result& result) {
    const ModelParts& parts = model_.parts;
    const std::size_t n = spectra_.n_pixels;
    Signs signs;
    signs.sharper = sharper_;
    for (std::size_t l = 0; l < parts.labels.size(); ++l)
        signs.at_bound = signs.at_bound || (result.problem.empty() && at_bound_[l]);
    std::size_t n_inside = 0, n_bad = 0;
    bool used = false, known = false;
    for (std::size_t p = 0; p < n; ++p) {
        const bool inside =
            wavelength_[p] >= parts.wavelength.front() && wavelength_[p] <= parts.wavelength.back();
        n_inside += inside;
        n_bad += inside && bad_[p];
        used = used || !bad_[p];
        const double* row = spectra_.resolution ? spectra_.resolution + p * spectra_.n_neighbours : nullptr;
        known = known || (!bad_[p] && ((spectra_.sigma && std::isfinite(spectra_.sigma[p])) ||
                                       (row && std::isfinite(row[0]))));
    }
    signs.bad_fraction = static_cast<double>(n_bad) / static_cast<double>(std::max<std::size_t>(n_inside, 1));
    signs.resolution_unknown = used && !known;
    signs.rejected = (spectrum.quality & options_.reject) != 0;
    signs.spectrum_rv = rv_;
    result.flags = flags_of(result, residuals, signs, parts, options_.max_rv);
}

} // namespace maury

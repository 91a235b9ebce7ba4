// Results of the fit of a spectrum: stored in the arrays of the caller.
#include "cholesky.hpp"
#include "spectrum_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {
namespace {

constexpr double not_known = std::numeric_limits<double>::quiet_NaN();
constexpr double agreement = 1.0;        // formal errors: nearer solutions count as one
constexpr double smallest_pivot = 1e-13; // of its diagonal: below, a matrix counts as singular

} // namespace

void SpectrumFit::store_nothing(std::size_t i) {
    std::fill_n(results_.labels + i * n_, n_, not_known);
    for (double* values : {results_.covariance, results_.noise_covariance})
        std::fill_n(values + i * n_ * n_, n_ * n_, not_known);
    std::fill_n(results_.at_bound + i * n_, n_, false);
    for (double* value : {results_.chi2, results_.chi2_noise, results_.rv, results_.rv_err,
                          results_.broadening, results_.broadening_err})
        value[i] = not_known;
    if (results_.chi2_prior)
        results_.chi2_prior[i] = not_known;
    for (std::int32_t* value :
         {results_.n_pixels, results_.n_clipped, results_.n_evaluations, results_.n_starts, results_.n_agree})
        value[i] = 0;
    results_.guessed[i] = results_.sharper[i] = false;
    if (results_.n_arms > 1)
        std::fill_n(results_.arm_rv + i * (results_.n_arms - 1), results_.n_arms - 1, not_known);
    store_no_models(i);
}

void SpectrumFit::store_no_models(std::size_t i) {
    for (double* values : {results_.model, results_.continuum, results_.flux, results_.ivar})
        if (values)
            std::fill_n(values + i * spectra_.n_pixels, spectra_.n_pixels, not_known);
    if (results_.weight)
        std::fill_n(results_.weight + i * spectra_.n_pixels, spectra_.n_pixels, 0.0);
}

void SpectrumFit::store(std::size_t i) {
    double* labels = results_.labels + i * n_;
    emulator_.to_labels(best_.data(), labels);
    for (std::size_t l = 0; l < n_; ++l) {
        const bool at_lower = best_[l] <= lower_[l], at_upper = best_[l] >= upper_[l];
        results_.at_bound[i * n_ + l] = (at_lower || at_upper) && lower_[l] < upper_[l];
        if (at_lower || at_upper) // exactly: scaling and back rounds
            labels[l] = at_lower ? plan_.lower()[l] : plan_.upper()[l];
    }
    results_.chi2[i] = finish_.chi2(best_.data());
    if (results_.chi2_prior)
        results_.chi2_prior[i] = prior_.chi2(best_.data());
    hessian_ = finish_.exact_hessian();
    prior_.add_hessian(best_.data(), hessian_.data(), n_all_);
    double noise = 0.0;
    for (std::size_t p = 0; p < n_used_; ++p)
        if (finish_.weight()[p] > 0.0) {
            const double residual = finish_.data()[p] - finish_.fitted()[p];
            noise += pixels_.ivar()[first_ + p] * residual * residual;
        }
    results_.chi2_noise[i] = noise;
    results_.n_starts[i] = static_cast<std::int32_t>(ends_.size() / n_);
    results_.n_agree[i] = count_agreeing();
    results_.guessed[i] = guessed_;
}

// Starts that ended in the adopted minimum.
std::int32_t SpectrumFit::count_agreeing() const {
    std::int32_t count = 0;
    for (std::size_t s = 0; s < ends_.size(); s += n_)
        count += distance_squared(&ends_[s], winner_.data()) <= agreement * agreement;
    return count;
}

// (x - y)'H (x - y) over the labels: in squared formal errors, the nuisances known.
double SpectrumFit::distance_squared(const double* x, const double* y) const {
    double sum = 0.0;
    for (std::size_t k = 0; k < n_; ++k)
        for (std::size_t l = 0; l < n_; ++l)
            sum += (x[k] - y[k]) * hessian_[k * n_all_ + l] * (x[l] - y[l]);
    return sum;
}

// covariance = (d label / d x) H^-1 (d label / d x)', over what is not fixed; nuisances have no such factor.
// Leaves the errors of all parameters in errors_, NaN where fixed.
bool SpectrumFit::store_covariance(std::size_t i) {
    free_parameters_.clear();
    for (std::size_t l = 0; l < n_all_; ++l)
        if (lower_[l] < upper_[l])
            free_parameters_.push_back(l);
    const std::size_t m = free_parameters_.size();
    for (std::size_t a = 0; a < m; ++a)
        for (std::size_t b = 0; b < m; ++b)
            factor_[a * m + b] = hessian_[free_parameters_[a] * n_all_ + free_parameters_[b]];
    errors_.assign(n_all_, not_known);
    if (!cholesky_factor(factor_.data(), m, smallest_pivot))
        return false;
    inverse_.assign(n_all_ * n_all_, 0.0);
    for (std::size_t b = 0; b < m; ++b) {
        std::fill(column_.begin(), column_.end(), 0.0);
        column_[b] = 1.0;
        cholesky_solve(factor_.data(), m, column_.data());
        const std::size_t l = free_parameters_[b];
        errors_[l] = std::sqrt(column_[b]);
        for (std::size_t a = 0; a <= b; ++a) {
            const std::size_t k = free_parameters_[a];
            inverse_[k * n_all_ + l] = inverse_[l * n_all_ + k] = column_[a];
        }
    }
    emulator_.scale(results_.labels + i * n_, dx_dlabel_.data());
    const auto of_labels = [&](double* covariance) {
        for (std::size_t k = 0; k < n_; ++k)
            for (std::size_t l = 0; l < n_; ++l)
                covariance[k * n_ + l] = inverse_[k * n_all_ + l] / (dx_dlabel_[k] * dx_dlabel_[l]);
    };
    of_labels(results_.covariance + i * n_ * n_);
    finish_.leave_out_modes(inverse_.data());
    of_labels(results_.noise_covariance + i * n_ * n_);
    return true;
}

void SpectrumFit::store_velocities(std::size_t i) {
    const WavelengthGrid& grid = plan_.grid();
    const double pixel = grid.pixel_velocity();
    std::size_t k = n_;
    results_.rv[i] = known_velocity(i);
    if (nuisances_.shift) {
        results_.rv[i] = grid.to_rv(best_[k]);
        results_.rv_err[i] = errors_[k++] * pixel * (1.0 + results_.rv[i] / speed_of_light);
    }
    for (std::size_t arm = 1; nuisances_.arms && arm < nuisances_.n_arms; ++arm, ++k)
        results_.arm_rv[i * (results_.n_arms - 1) + arm - 1] =
            std::isfinite(errors_[k]) ? best_[k] * pixel : not_known;
    if (nuisances_.extra) {
        const double sigma = std::sqrt(std::abs(best_[k]));
        results_.broadening[i] = std::copysign(sigma, best_[k]) * pixel;
        results_.broadening_err[i] = 0.5 * errors_[k] / sigma * pixel;
    }
}

void SpectrumFit::store_models(std::size_t i) {
    const std::size_t at = i * spectra_.n_pixels + first_;
    if (results_.weight)
        std::copy_n(finish_.weight(), n_used_, results_.weight + at);
    if (results_.flux)
        std::copy_n(pixels_.flux() + first_, n_used_, results_.flux + at);
    if (results_.ivar)
        std::copy_n(pixels_.ivar() + first_, n_used_, results_.ivar + at);
    for (std::size_t p = 0; p < n_used_; ++p)
        if (finish_.continuum_known(p)) {
            if (results_.model)
                results_.model[at + p] = finish_.fitted()[p];
            if (results_.continuum)
                results_.continuum[at + p] = finish_.continuum()[p];
        }
}

} // namespace maury

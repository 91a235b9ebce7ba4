// What a fit leaves behind.
#include "cholesky.hpp"
#include "fitter.hpp"
#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {
namespace {

constexpr double not_known = std::numeric_limits<double>::quiet_NaN();
constexpr double agreement = 1.0;        // formal errors: nearer solutions count as one
constexpr double smallest_pivot = 1e-13; // of its diagonal: below, a matrix counts as singular

} // namespace

template <typename Number> void Fitter<Number>::store_nothing(std::size_t i) {
    std::fill_n(output_.labels + i * n_, n_, not_known);
    std::fill_n(output_.covariance + i * n_ * n_, n_ * n_, not_known);
    std::fill_n(output_.at_bound + i * n_, n_, false);
    output_.chi2[i] = output_.chi2_noise[i] = not_known;
    output_.n_evaluations[i] = output_.n_starts[i] = output_.n_agree[i] = 0;
    if (output_.n_clipped)
        output_.n_clipped[i] = 0;
    for (double* values : {output_.nuisances, output_.nuisance_errors})
        if (values)
            std::fill_n(values + i * (n_all_ - n_), n_all_ - n_, not_known);
    if (output_.model)
        std::fill_n(output_.model + i * n_pixels_, n_pixels_, not_known);
}

template <typename Number> void Fitter<Number>::store_solution(std::size_t i) {
    double* labels = output_.labels + i * n_;
    emulator_.to_labels(best_.data(), labels);
    for (std::size_t l = 0; l < n_; ++l) {
        const bool at_lower = best_[l] <= plan_.lower_scaled()[l],
                   at_upper = best_[l] >= plan_.upper_scaled()[l];
        output_.at_bound[i * n_ + l] = at_lower || at_upper;
        if (at_lower || at_upper) // exactly: scaling and back rounds
            labels[l] = at_lower ? plan_.lower()[l] : plan_.upper()[l];
    }
    if (output_.nuisances)
        std::copy_n(&best_[n_], n_all_ - n_, output_.nuisances + i * (n_all_ - n_));
    full_.chi2(best_.data());
    if (output_.model)
        std::copy_n(full_.model(), spectrum_.size(),
                    output_.model + i * n_pixels_ + (view_ ? view_->first() : 0));
    output_.chi2[i] = least_;
    output_.chi2_noise[i] =
        simd::kernels().weighted_square(spectrum_.ivar(), spectrum_.flux(), full_.model(), spectrum_.size());
}

// Starts, and those of them that ended where the winner did: d'H d over the labels, in squared formal errors.
template <typename Number> void Fitter<Number>::store_agreement(std::size_t i, const double* winner) {
    output_.n_starts[i] = static_cast<std::int32_t>(ends_.size() / n_);
    output_.n_agree[i] = 0;
    for (std::size_t s = 0; s < ends_.size(); s += n_) {
        double sum = 0.0;
        for (std::size_t k = 0; k < n_; ++k)
            for (std::size_t l = 0; l < n_; ++l)
                sum += (ends_[s + k] - winner[k]) * hessian_[k * n_all_ + l] * (ends_[s + l] - winner[l]);
        output_.n_agree[i] += sum <= agreement * agreement;
    }
}

// covariance = (d label / d x) H^-1 (d label / d x)', over what is not fixed; nuisances have no such factor.
template <typename Number> bool Fitter<Number>::store_covariance(std::size_t i) {
    free_.clear();
    for (std::size_t l = 0; l < n_all_; ++l)
        if (lower_[l] < upper_[l])
            free_.push_back(l);
    const std::size_t m = free_.size();
    for (std::size_t a = 0; a < m; ++a)
        for (std::size_t b = 0; b < m; ++b)
            factor_[a * m + b] = hessian_[free_[a] * n_all_ + free_[b]];
    if (!cholesky_factor(factor_.data(), m, smallest_pivot))
        return false;
    emulator_.scale(output_.labels + i * n_, scale_.data());
    double* covariance = output_.covariance + i * n_ * n_;
    std::fill_n(covariance, n_ * n_, 0.0);
    for (std::size_t b = 0; b < m; ++b) {
        std::fill(column_.begin(), column_.end(), 0.0);
        column_[b] = 1.0;
        cholesky_solve(factor_.data(), m, column_.data());
        const std::size_t l = free_[b];
        if (l >= n_) {
            if (output_.nuisance_errors)
                output_.nuisance_errors[i * (n_all_ - n_) + l - n_] = std::sqrt(column_[b]);
            continue;
        }
        for (std::size_t a = 0; a <= b; ++a) {
            const std::size_t k = free_[a];
            covariance[k * n_ + l] = covariance[l * n_ + k] = column_[a] / (scale_[k] * scale_[l]);
        }
    }
    return true;
}

template class Fitter<float>;
template class Fitter<double>;

} // namespace maury

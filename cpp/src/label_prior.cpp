#include "label_prior.hpp"

#include "cholesky.hpp"

#include <algorithm>
#include <cmath>

namespace maury {
namespace {

constexpr double near = 0.1; // sigma of what a candidate stands for, of the label range

} // namespace

LabelPrior::LabelPrior(const Emulator& emulator)
    : emulator_(emulator), n_(emulator.n_labels()), mean_(n_), precision_(n_ * n_), labels_(n_), away_(n_),
      dx_dlabel_(n_), rough_mean_(n_), rough_precision_(n_ * n_), factor_(n_ * n_) {}

void LabelPrior::set(const double* mean, const double* precision) {
    given_ = std::any_of(mean, mean + n_, [](double m) { return std::isfinite(m); });
    if (!given_)
        return;
    std::copy_n(mean, n_, mean_.begin());
    std::copy_n(precision, n_ * n_, precision_.begin());
    set_rough();
}

// In scaled labels, with S = near^2: (P^-1 + S)^-1 = (1 - (1 + S P)^-1) / S
void LabelPrior::set_rough() {
    std::fill(labels_.begin(), labels_.end(), 0.0);
    emulator_.to_labels(labels_.data(), labels_.data()); // the middle of the range, where there is no mean
    for (std::size_t l = 0; l < n_; ++l)
        if (std::isfinite(mean_[l]))
            labels_[l] = mean_[l];
    emulator_.to_scaled(labels_.data(), rough_mean_.data());
    emulator_.scale(labels_.data(), dx_dlabel_.data());
    for (std::size_t k = 0; k < n_; ++k)
        for (std::size_t l = 0; l < n_; ++l)
            factor_[k * n_ + l] =
                (k == l) + near * near * precision_[k * n_ + l] / (dx_dlabel_[k] * dx_dlabel_[l]);
    std::fill(rough_precision_.begin(), rough_precision_.end(), 0.0);
    if (!cholesky_factor(factor_.data(), n_, 0.0)) // not finite: the fit will tell
        return;
    for (std::size_t l = 0; l < n_; ++l) {
        std::fill(away_.begin(), away_.end(), 0.0);
        away_[l] = 1.0;
        cholesky_solve(factor_.data(), n_, away_.data());
        for (std::size_t k = 0; k < n_; ++k)
            rough_precision_[l * n_ + k] = ((k == l) - away_[k]) / (near * near);
    }
}

// Of the labels y at x: away_ = y - mean, and dx_dlabel_.
void LabelPrior::set_place(const double* x) {
    emulator_.to_labels(x, labels_.data());
    emulator_.scale(labels_.data(), dx_dlabel_.data());
    for (std::size_t l = 0; l < n_; ++l)
        away_[l] = std::isfinite(mean_[l]) ? labels_[l] - mean_[l] : 0.0;
}

double LabelPrior::chi2(const double* x) {
    if (!given_)
        return 0.0;
    set_place(x);
    double sum = 0.0;
    for (std::size_t k = 0; k < n_; ++k)
        for (std::size_t l = 0; l < n_; ++l)
            sum += away_[k] * precision_[k * n_ + l] * away_[l];
    return sum;
}

double LabelPrior::rough_chi2(const double* x) {
    if (!given_)
        return 0.0;
    double sum = 0.0;
    for (std::size_t k = 0; k < n_; ++k)
        for (std::size_t l = 0; l < n_; ++l)
            sum += (x[k] - rough_mean_[k]) * rough_precision_[k * n_ + l] * (x[l] - rough_mean_[l]);
    return sum;
}

void LabelPrior::add_gradient(const double* x, double* gradient) {
    if (!given_)
        return;
    set_place(x);
    for (std::size_t k = 0; k < n_; ++k)
        for (std::size_t l = 0; l < n_; ++l)
            gradient[k] += precision_[k * n_ + l] * away_[l] / dx_dlabel_[k];
}

void LabelPrior::add_hessian(const double* x, double* hessian, std::size_t stride) {
    if (!given_)
        return;
    set_place(x);
    for (std::size_t k = 0; k < n_; ++k)
        for (std::size_t l = 0; l < n_; ++l)
            hessian[k * stride + l] += precision_[k * n_ + l] / (dx_dlabel_[k] * dx_dlabel_[l]);
}

} // namespace maury

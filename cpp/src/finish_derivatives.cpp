// Gradient and hessian of the exact chi2: from the columns of the Jacobian, the gradient also by the adjoint.
#include "finish.hpp"
#include "simd/kernels.hpp"

#include <algorithm>

namespace maury {

using simd::eight;

namespace {

constexpr double hessian_reach = 5.0; // formal errors: farther a hessian is made anew
constexpr double beside = 3e-3;       // scaled labels: a difference of tangents

} // namespace

void Finish::set_columns() {
    const double* tangents = point_.tangents();
    for (std::size_t i = 0; i * eight < n_all_; ++i)
        fill_panel(i, tangents);
    columns_known_ = true;
}

void Finish::derivatives(const double*, double* gradient, double* hessian) {
    stop_->check();
    const bool serves = hessian_serves();
    if (!serves)
        set_hessian();
    if (!gradient_known_) {
        set_weighted();
        if (serves)
            set_gradient_by_adjoint();
        else
            set_gradient_by_columns();
        gradient_known_ = true;
    }
    std::copy_n(gradient_.begin(), n_all_, gradient);
    std::copy_n(hessian_.begin(), n_all_ * n_all_, hessian);
}

// At the x of the last chi2.
const std::vector<double>& Finish::exact_hessian() {
    if (!hessian_exact_)
        set_hessian();
    return hessian_;
}

void Finish::leave_out_modes(double* covariance) {
    if (modes_.any())
        modes_.leave_out(n_all_, covariance);
}

bool Finish::hessian_serves() const {
    if (!hessian_known_)
        return false;
    double distance = 0.0;
    for (std::size_t k = 0; k < n_all_; ++k)
        for (std::size_t l = 0; l < n_all_; ++l)
            distance += (x_[k] - hessian_x_[k]) * hessian_[k * n_all_ + l] * (x_[l] - hessian_x_[l]);
    return distance <= hessian_reach * hessian_reach;
}

// Wr, r = c m - d less what the modes explain.
void Finish::set_weighted() {
    for (std::size_t p = 0; p < n_; ++p)
        weighted_[p] = weight_[p] * (fitted_[p] - data_[p]);
    if (modes_.any())
        modes_.subtract(weight_.data(), weighted_.data());
    adjoint_known_ = false;
}

// J'Wr, of a J that was just made.
void Finish::set_gradient_by_columns() {
    const double* const jacobian = line_ ? jacobian_.data() : columns_.data();
    for (std::size_t i = 0; i * eight < n_all_; ++i) {
        double sums[eight];
        simd::kernels().sum_of_eights(jacobian + i * n_ * eight, weighted_.data(), n_, sums);
        std::copy_n(sums, std::min(eight, n_all_ - i * eight), &gradient_[i * eight]);
    }
}

// D'Wr, D = d (c m) / d m, and B'A'D'Wr.
void Finish::set_adjoint() {
    if (adjoint_known_)
        return;
    if (line_)
        lines_.adjoint(weighted_.data(), adjoint_.data());
    project(line_ ? adjoint_.data() : weighted_.data(), rows(), point_.stride(), projected_.data());
    adjoint_known_ = true;
}

// J'Wr without J; with T the tangents of the network: T'B'A'D'Wr for the labels, one column instead of L.
void Finish::set_gradient_by_adjoint() {
    set_adjoint();
    const double* const by_model = line_ ? adjoint_.data() : weighted_.data();
    const double* tangents = point_.tangents();
    for (std::size_t l = 0; l < n_labels_; ++l)
        gradient_[l] =
            simd::kernels().dot(tangents + l * point_.stride(), projected_.data(), point_.stride());
    std::fill(gradient_.begin() + static_cast<std::ptrdiff_t>(n_labels_), gradient_.end(), 0.0);
    double* next = &gradient_[n_labels_];
    if (nuisances_.shift)
        *next++ = simd::kernels().dot(by_model, by_shift_.data(), n_);
    if (nuisances_.arms) {
        add_by_arm(by_model, by_shift_.data(), 1.0, next, 1);
        next += nuisances_.n_arms - 1;
    }
    if (nuisances_.extra)
        *next = simd::kernels().dot(by_model, by_extra_.data(), n_);
}

// sums[i step] += factor v.u over the pixels of arm 1 + i
void Finish::add_by_arm(const double* v, const double* u, double factor, double* sums,
                        std::size_t step) const {
    for (std::size_t r = 0; r + 1 < runs_.size(); ++r)
        if (const std::int32_t arm = arm_[runs_[r]]; arm > 0)
            sums[static_cast<std::size_t>(arm - 1) * step] +=
                factor * simd::kernels().dot(v + runs_[r], u + runs_[r], runs_[r + 1] - runs_[r]);
}

// sum_p (D'Wr)_p d2 m_p / dx dx, at the x of the last gradient
void Finish::curvature(double* curvature) {
    set_adjoint();
    const std::size_t n = n_labels_, n_inputs = emulator_.n_inputs();
    const double* const here = point_.tangents();
    std::fill_n(curvature, n_all_ * n_all_, 0.0);
    beside_x_.resize(n * n);
    for (std::size_t l = 0; l < n; ++l) {
        std::copy_n(x_.begin(), n, &beside_x_[l * n]);
        beside_x_[l * n + l] += beside;
    }
    beside_h_.resize(n * n_inputs);
    beside_tangents_.resize(n * n_inputs);
    beside_.coefficients(beside_x_.data(), n, beside_h_.data());
    for (std::size_t l = 0; l < n; ++l) {
        beside_.tangents(l, beside_tangents_.data());
        for (std::size_t k = 0; k < n; ++k) {
            const double change =
                simd::kernels().dot_mixed(&beside_tangents_[k * n_inputs], projected_.data(), n_inputs) -
                simd::kernels().dot(here + k * point_.stride(), projected_.data(), n_inputs);
            curvature[l * n_all_ + k] += 0.5 / beside * change;
            curvature[k * n_all_ + l] += 0.5 / beside * change;
        }
    }
    const std::size_t first = n, step = nuisances_.shift ? 1 : 0;
    const double* const by_model = line_ ? adjoint_.data() : weighted_.data();
    if (nuisances_.shift)
        curvature[first * n_all_ + first] = 2.0 * simd::kernels().dot(by_model, by_extra_.data(), n_);
    if (nuisances_.arms) // on the diagonal
        add_by_arm(by_model, by_extra_.data(), 2.0, curvature + (first + step) * (n_all_ + 1), n_all_ + 1);
    for (std::size_t k = first + 1; nuisances_.shift && nuisances_.arms && k < first + nuisances_.n_arms; ++k)
        curvature[first * n_all_ + k] = curvature[k * n_all_ + first] = curvature[k * n_all_ + k];
}

// J'WJ, J = d (c m) / d x
void Finish::set_hessian() {
    const auto& kernels = simd::kernels();
    if (!columns_known_)
        set_columns();
    const std::size_t n_panels = (n_all_ + eight - 1) / eight, size = n_ * eight;
    if (line_)
        for (std::size_t i = 0; i < n_panels; ++i)
            lines_.derivatives(&columns_[i * size], &jacobian_[i * size]);
    const double* const jacobian = line_ ? jacobian_.data() : columns_.data();
    for (std::size_t i = 0; i < n_panels; ++i)
        for (std::size_t j = 0; j <= i; ++j) {
            double block[eight * eight] = {};
            kernels.normal_eight(jacobian + i * size, jacobian + j * size, weight_.data(), n_, block);
            for (std::size_t k = 0; k < std::min(eight, n_all_ - i * eight); ++k)
                for (std::size_t l = 0; l < std::min(eight, n_all_ - j * eight); ++l)
                    hessian_[(i * eight + k) * n_all_ + j * eight + l] =
                        hessian_[(j * eight + l) * n_all_ + i * eight + k] = block[k * eight + l];
        }
    if (modes_.any())
        modes_.reduce(weight_.data(), jacobian, n_all_, hessian_.data());
    hessian_x_ = x_;
    hessian_known_ = hessian_exact_ = true;
}

// Columns of d m / d x: of the labels through the network and the instrument, of the nuisances from the
// instrument.
void Finish::fill_panel(std::size_t panel, const double* tangents) {
    const auto& kernels = simd::kernels();
    const std::size_t begin = panel * eight, end = std::min(begin + eight, n_all_), stride = point_.stride();
    double* const out = &columns_[panel * n_ * eight];
    if (begin < n_labels_) {
        const std::size_t count = std::min(end, n_labels_) - begin, rows_each = grid_model_.size();
        kernels.expand(rows(), stride, emulator_.n_pixels(), tangents + begin * stride, count, nullptr,
                       grid_columns_.data(), rows_each);
        if (!native_)
            instrument_.apply(grid_columns_.data(), rows_each, count, out, 1, eight);
        for (std::size_t p = 0; p < n_ && native_; ++p)
            for (std::size_t l = 0; l < count; ++l)
                out[p * eight + l] = grid_columns_[l * rows_each + p];
    }
    for (std::size_t k = std::max(begin, n_labels_); k < end; ++k) {
        const std::size_t nuisance = k - n_labels_, arm = nuisance + (nuisances_.shift ? 0 : 1);
        double* to = out + (k - begin);
        if (nuisances_.extra && k + 1 == n_all_)
            for (std::size_t p = 0; p < n_; ++p)
                to[p * eight] = by_extra_[p];
        else if (nuisances_.shift && nuisance == 0)
            for (std::size_t p = 0; p < n_; ++p)
                to[p * eight] = by_shift_[p];
        else
            for (std::size_t p = 0; p < n_; ++p)
                to[p * eight] = arm_[p] == static_cast<std::int32_t>(arm) ? by_shift_[p] : 0.0;
    }
}

} // namespace maury

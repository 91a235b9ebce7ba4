#include "residual_modes.hpp"

#include "cholesky.hpp"
#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>

namespace maury {

using simd::eight;

GridModes::GridModes(const std::vector<double>& modes, std::size_t n)
    : n_modes(modes.size() / n), rows(n + Instrument::pad), values(n_modes * rows), spline(values.size()) {
    std::vector<double> coefficients = modes;
    spline_coefficients(coefficients.data(), n, n_modes);
    for (std::size_t p = 0; p < n; ++p)
        for (std::size_t m = 0; m < n_modes; ++m) {
            values[m * rows + p] = modes[p * n_modes + m];
            spline[m * rows + p] = coefficients[p * n_modes + m];
        }
}

void ResidualModes::set(const GridModes* grid, std::size_t n_pixels) {
    grid_ = grid;
    seen_ = weighed_ = false;
    if (!grid)
        return;
    n_ = n_pixels;
    n_panels_ = (grid->n_modes + eight - 1) / eight;
    n_modes_ = n_panels_ * eight;
    modes_.assign(n_modes_ * n_, 0.0);
    factor_.resize(n_modes_ * n_modes_);
    y_.resize(n_modes_);
    amplitude_.resize(n_modes_);
}

void ResidualModes::see(const Instrument* instrument, const double* scale) {
    for (std::size_t i = 0; i < n_panels_; ++i) {
        double* const to = &modes_[i * n_ * eight];
        const std::size_t first = i * eight, count = std::min(eight, grid_->n_modes - first);
        if (instrument)
            instrument->apply(&grid_->spline[first * grid_->rows], grid_->rows, count, to, 1, eight);
        for (std::size_t p = 0; p < n_ && !instrument; ++p)
            for (std::size_t m = 0; m < count; ++m)
                to[p * eight + m] = grid_->values[(first + m) * grid_->rows + p];
        for (std::size_t p = 0; p < n_; ++p) {
            const double factor = std::isfinite(scale[p]) ? scale[p] : 0.0;
            for (std::size_t m = 0; m < eight; ++m)
                to[p * eight + m] *= factor;
        }
    }
    seen_ = true;
}

void ResidualModes::weigh(const double* weight) {
    const auto& kernels = simd::kernels();
    for (std::size_t i = 0; i < n_panels_; ++i)
        for (std::size_t j = 0; j <= i; ++j) {
            double block[eight * eight] = {};
            kernels.normal_eight(&modes_[i * n_ * eight], &modes_[j * n_ * eight], weight, n_, block);
            for (std::size_t k = 0; k < eight; ++k)
                for (std::size_t l = 0; l < eight; ++l)
                    factor_[(i * eight + k) * n_modes_ + j * eight + l] = block[k * eight + l];
        }
    for (std::size_t m = 0; m < n_modes_; ++m)
        factor_[m * n_modes_ + m] += 1.0;
    cholesky_factor(factor_.data(), n_modes_, 0.0); // B >= I
    weighed_ = true;
}

double ResidualModes::explain(const double* weight, const double* data, const double* fitted) {
    if (!weighed_)
        weigh(weight);
    column_.resize(n_);
    for (std::size_t p = 0; p < n_; ++p)
        column_[p] = weight[p] * (fitted[p] - data[p]);
    for (std::size_t i = 0; i < n_panels_; ++i)
        simd::kernels().sum_of_eights(&modes_[i * n_ * eight], column_.data(), n_, &y_[i * eight]);
    amplitude_ = y_;
    cholesky_solve(factor_.data(), n_modes_, amplitude_.data());
    double total = 0.0;
    for (std::size_t m = 0; m < n_modes_; ++m)
        total += y_[m] * amplitude_[m];
    return total;
}

void ResidualModes::subtract(const double* weight, double* weighted) {
    set_column();
    for (std::size_t p = 0; p < n_; ++p)
        weighted[p] -= weight[p] * column_[p];
}

void ResidualModes::explained(const double* fitted, double* out) {
    set_column();
    for (std::size_t p = 0; p < n_; ++p)
        out[p] = fitted[p] - column_[p];
}

// column_ = U z
void ResidualModes::set_column() {
    column_.assign(n_, 0.0);
    for (std::size_t i = 0; i < n_panels_; ++i)
        simd::kernels().add_eights(&modes_[i * n_ * eight], &amplitude_[i * eight], n_, column_.data());
}

// J'WJ - (U'WJ)'B^-1 (U'WJ)
void ResidualModes::reduce(const double* weight, const double* jacobian, std::size_t n_columns,
                           double* hessian) {
    const auto& kernels = simd::kernels();
    cross_.resize(n_columns * n_modes_);
    for (std::size_t j = 0; j * eight < n_columns; ++j)
        for (std::size_t i = 0; i < n_panels_; ++i) {
            double block[eight * eight] = {};
            kernels.normal_eight(jacobian + j * n_ * eight, &modes_[i * n_ * eight], weight, n_, block);
            for (std::size_t k = 0; k < std::min(eight, n_columns - j * eight); ++k)
                std::copy_n(block + k * eight, eight, &cross_[(j * eight + k) * n_modes_ + i * eight]);
        }
    solved_ = cross_;
    for (std::size_t k = 0; k < n_columns; ++k)
        cholesky_solve(factor_.data(), n_modes_, &solved_[k * n_modes_]);
    for (std::size_t k = 0; k < n_columns; ++k)
        for (std::size_t l = 0; l <= k; ++l) {
            double sum = 0.0;
            for (std::size_t m = 0; m < n_modes_; ++m)
                sum += cross_[k * n_modes_ + m] * solved_[l * n_modes_ + m];
            hessian[k * n_columns + l] -= sum;
            if (l < k)
                hessian[l * n_columns + k] -= sum;
        }
}

// C - C S S'C
void ResidualModes::leave_out(std::size_t n_columns, double* covariance) {
    cross_.assign(n_columns * n_modes_, 0.0); // C S
    for (std::size_t k = 0; k < n_columns; ++k)
        for (std::size_t l = 0; l < n_columns; ++l)
            for (std::size_t m = 0; m < n_modes_; ++m)
                cross_[k * n_modes_ + m] += covariance[k * n_columns + l] * solved_[l * n_modes_ + m];
    for (std::size_t k = 0; k < n_columns; ++k)
        for (std::size_t l = 0; l < n_columns; ++l)
            for (std::size_t m = 0; m < n_modes_; ++m)
                covariance[k * n_columns + l] -= cross_[k * n_modes_ + m] * cross_[l * n_modes_ + m];
}

} // namespace maury

#include "finish.hpp"

#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace maury {

using simd::eight;

namespace {

// The local line spans this part of the window that normalised the training spectra. By measurement: narrower
// follows the errors of flux calibration better, wider leaves more of broad bands to the labels.
constexpr double line_part = 0.75;

} // namespace

Finish::Finish(const Emulator& emulator, TrunkPoint& point, double window)
    : emulator_(emulator), spline_(emulator.spline()), point_(point), instrument_(emulator.n_pixels()),
      half_(std::floor(line_part * 0.5 * window) * (std::getenv("HALF") ? std::atof(std::getenv("HALF")) : 1.0)), n_labels_(emulator.n_labels()),
      grid_model_(emulator.n_pixels() + Instrument::pad), grid_sum_(grid_model_.size()),
      tangents_(point.stride() * eight), grid_columns_(grid_model_.size() * eight) {}

void Finish::set(const Pixels& pixels, std::size_t first, std::size_t n, const double* data,
                 const double* weight, const Nuisances& nuisances, double shift, bool continuum,
                 const StopFlag& stop) {
    n_ = n;
    data_ = data;
    stop_ = &stop;
    nuisances_ = nuisances;
    fixed_shift_ = shift;
    n_all_ = n_labels_ + nuisances.count();
    line_ = continuum;
    model_known_ = fitted_known_ = columns_known_ = false;
    x_.resize(n_all_);
    shift_.assign(nuisances.n_arms, shift);
    weight_.assign(weight, weight + n);
    for (auto* values : {&model_, &fitted_, &weighted_, &by_shift_, &by_extra_})
        values->resize(n);
    ones_.resize(n, 1.0);
    columns_.resize((n_all_ + eight - 1) / eight * n * eight);
    if (continuum)
        jacobian_.resize(columns_.size());
    arm_ = pixels.arm() + first;
    native_ = first == 0 && is_native(pixels, shift);
    if (!native_)
        instrument_.set(pixels.observed(first, n));
    placed_ = false;
    if (continuum) {
        runs_.assign(1, 0);
        for (const std::size_t run : pixels.runs())
            if (run > first && run < first + n)
                runs_.push_back(run - first);
        runs_.push_back(n);
        lines_.set(pixels.place() + first, runs_, n, half_);
    }
}

// Then the instrument is none.
bool Finish::is_native(const Pixels& pixels, double shift) const {
    if (nuisances_.count() > 0 || shift != 0.0 || n_ != emulator_.n_pixels() || pixels.size() != n_ ||
        pixels.has_matrix())
        return false;
    constexpr double rounding = 1e-6;
    for (std::size_t p = 0; p < n_; ++p)
        if (std::abs(pixels.place()[p] - static_cast<double>(p)) > 1e-3 || pixels.variance()[p] > 0.0 ||
            std::abs(pixels.high()[p] - pixels.low()[p] - 1.0) > 1e-3 + rounding)
            return false;
    return true;
}

void Finish::place(const double* x) {
    const double* next = x + n_labels_;
    const double shift = nuisances_.shift ? *next++ : fixed_shift_;
    for (std::size_t arm = 0; arm < shift_.size(); ++arm)
        shift_[arm] = shift + (arm > 0 && nuisances_.arms ? *next++ : 0.0);
    const double extra = nuisances_.extra ? *next : 0.0;
    bool near = placed_ && extra == placed_extra_;
    for (std::size_t arm = 0; near && arm < shift_.size(); ++arm)
        near = std::abs(shift_[arm] - placed_shift_[arm]) <= reach_;
    if (native_ || near)
        return;
    using Derivatives = Instrument::Derivatives;
    instrument_.place(shift_, extra, nuisances_.count() > 0 ? Derivatives::both : Derivatives::none);
    placed_shift_ = shift_;
    placed_extra_ = extra;
    placed_ = true;
}

void Finish::set_reach(double reach) {
    reach_ = reach;
    for (std::size_t arm = 0; placed_ && arm < shift_.size(); ++arm)
        model_known_ = model_known_ && std::abs(shift_[arm] - placed_shift_[arm]) <= reach;
}

void Finish::drop(const std::vector<std::size_t>& pixels) {
    for (const std::size_t p : pixels)
        weight_[p] = 0.0;
    fitted_known_ = fitted_known_ && !line_;
}

double Finish::chi2(const double* x) {
    stop_->check();
    if (!model_known_ || !std::equal(x_.begin(), x_.end(), x))
        set_model(x);
    if (!fitted_known_)
        set_fitted();
    return simd::kernels().weighted_square(weight_.data(), data_, fitted_.data(), n_);
}

void Finish::set_model(const double* x) {
    const auto& kernels = simd::kernels();
    place(x);
    std::copy_n(x, n_all_, x_.begin());
    const float* rows = native_ ? emulator_.rows() : spline_.rows.data();
    const double* bias = native_ ? emulator_.bias() : spline_.bias.data();
    double* to = native_ ? model_.data() : grid_model_.data();
    kernels.expand(rows, point_.stride(), emulator_.n_pixels(), point_.coefficients(x), 1, bias, to, 0);
    if (nuisances_.count() > 0) {
        instrument_.apply_with_derivatives(grid_model_.data(), model_.data(), by_shift_.data(), by_extra_.data());
        if (shift_ != placed_shift_)
            for (std::size_t p = 0; p < n_; ++p) {
                const auto arm = static_cast<std::size_t>(arm_[p]);
                const double away = shift_[arm] - placed_shift_[arm];
                model_[p] += away * (by_shift_[p] + away * by_extra_[p]);
                by_shift_[p] += 2.0 * away * by_extra_[p];
            }
    } else if (!native_) {
        instrument_.apply(grid_model_.data(), 0, 1, model_.data(), 0);
    }
    model_known_ = true;
    fitted_known_ = columns_known_ = false;
}

void Finish::set_fitted() {
    if (line_) {
        lines_.fit(data_, weight_.data(), model_.data());
        for (std::size_t p = 0; p < n_; ++p)
            fitted_[p] = model_[p] * lines_.continuum()[p];
    } else {
        fitted_ = model_;
    }
    fitted_known_ = true;
}

void Finish::set_columns() {
    const double* tangents = point_.tangents();
    for (std::size_t i = 0; i * eight < n_all_; ++i)
        fill_panel(i, tangents);
    columns_known_ = true;
}

// With J = d (c m) / d x and r = c m - d: gradient = J'Wr, hessian = J'WJ.
void Finish::derivatives(const double*, double* gradient, double* hessian) {
    stop_->check();
    const auto& kernels = simd::kernels();
    if (!columns_known_)
        set_columns();
    for (std::size_t p = 0; p < n_; ++p)
        weighted_[p] = weight_[p] * (fitted_[p] - data_[p]);
    const std::size_t n_panels = (n_all_ + eight - 1) / eight, size = n_ * eight;
    if (line_)
        for (std::size_t i = 0; i < n_panels; ++i)
            lines_.derivatives(&columns_[i * size], &jacobian_[i * size]);
    const double* const jacobian = line_ ? jacobian_.data() : columns_.data();
    for (std::size_t i = 0; i < n_panels; ++i) {
        const double* a = jacobian + i * size;
        double sum[eight] = {};
        kernels.sum_eight(a, weighted_.data(), n_, sum);
        const std::size_t n_a = std::min(eight, n_all_ - i * eight);
        std::copy_n(sum, n_a, gradient + i * eight);
        for (std::size_t j = 0; j <= i; ++j) {
            double block[eight * eight] = {};
            kernels.normal_eight(a, jacobian + j * size, weight_.data(), n_, block);
            for (std::size_t k = 0; k < n_a; ++k)
                for (std::size_t l = 0; l < std::min(eight, n_all_ - j * eight); ++l)
                    hessian[(i * eight + k) * n_all_ + j * eight + l] =
                        hessian[(j * eight + l) * n_all_ + i * eight + k] = block[k * eight + l];
        }
    }
}

// Columns of d m / d x: of the labels through the network and the instrument, of the nuisances from the instrument.
void Finish::fill_panel(std::size_t panel, const double* tangents) {
    const auto& kernels = simd::kernels();
    const std::size_t begin = panel * eight, end = std::min(begin + eight, n_all_), stride = point_.stride();
    double* const out = &columns_[panel * n_ * eight];
    if (begin < n_labels_) {
        std::fill(tangents_.begin(), tangents_.end(), 0.0f);
        for (std::size_t l = begin; l < std::min(end, n_labels_); ++l)
            for (std::size_t k = 0; k < stride; ++k)
                tangents_[k * eight + l - begin] = static_cast<float>(tangents[l * stride + k]);
        kernels.expand_eight(native_ ? emulator_.rows() : spline_.rows.data(), stride, emulator_.n_pixels(),
                             tangents_.data(), grid_columns_.data());
        if (native_)
            std::copy_n(grid_columns_.begin(), n_ * eight, out);
        else
            instrument_.apply_eight(grid_columns_.data(), out);
    } else {
        std::fill_n(out, n_ * eight, 0.0);
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

void Finish::to_grid(const double* v, float* out) {
    if (native_) {
        std::copy_n(v, n_, out);
        return;
    }
    std::fill(grid_sum_.begin(), grid_sum_.end(), 0.0);
    instrument_.apply_adjoint(v, grid_sum_.data());
    std::copy_n(grid_sum_.begin(), emulator_.n_pixels(), out);
}

const double* Finish::show_mean() {
    model_known_ = false;
    if (native_)
        std::copy_n(emulator_.basis().mean.begin(), n_, model_.begin());
    else
        instrument_.apply(spline_.mean.data(), 0, 1, model_.data(), 0);
    return model_.data();
}

} // namespace maury

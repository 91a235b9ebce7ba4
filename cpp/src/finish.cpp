#include "finish.hpp"

#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>

namespace maury {

using simd::eight;

namespace {

// The local line spans this part of the window of the running median that normalised the training spectra:
// the ratio of data and emulator has the structure of that median, which is no straight line over its whole
// window. By measurement: solar-type MILES stars come out at -63 K, -19 K, -13 K with the whole, a half, a
// third of the window, FGK stars of LAMOST with a MAD of 44, 38, 35 K; blue and red parts agree best with a
// half.
constexpr double line_part = 0.5;

constexpr std::size_t few_dropped = 20; // a part in so many of the pixels changes no hessian much

} // namespace

Finish::Finish(const Emulator& emulator, TrunkPoint& point, double window)
    : emulator_(emulator), spline_(emulator.spline()), point_(point),
      beside_(emulator.trunk(), emulator.n_labels()), instrument_(emulator.n_pixels()),
      half_(std::floor(line_part * 0.5 * window)), n_labels_(emulator.n_labels()),
      grid_model_(emulator.n_pixels() + Instrument::pad), grid_sum_(grid_model_.size()),
      projected_(std::max(point.stride(), emulator.basis().stride)),
      grid_columns_(grid_model_.size() * eight) {}

void Finish::set(const Pixels& pixels, std::size_t first, std::size_t n, const double* data,
                 const double* weight, const Nuisances& nuisances, double shift, bool continuum,
                 const GridModes* modes, const double* scale, const StopFlag& stop) {
    n_ = n;
    data_ = data;
    stop_ = &stop;
    nuisances_ = nuisances;
    fixed_shift_ = shift;
    n_all_ = n_labels_ + nuisances.count();
    line_ = continuum;
    model_known_ = fitted_known_ = columns_known_ = gradient_known_ = hessian_known_ = hessian_exact_ = false;
    x_.resize(n_all_);
    gradient_.resize(n_all_);
    hessian_.resize(n_all_ * n_all_);
    shift_.assign(nuisances.n_arms, shift);
    weight_.assign(weight, weight + n);
    for (auto* values : {&model_, &fitted_, &weighted_, &adjoint_, &by_shift_, &by_extra_})
        values->resize(n);
    ones_.resize(n, 1.0);
    columns_.resize((n_all_ + eight - 1) / eight * n * eight);
    if (continuum)
        jacobian_.resize(columns_.size());
    modes_.set(modes, n);
    mode_scale_ = scale;
    arm_ = pixels.arm() + first;
    native_ = first == 0 && is_native(pixels, shift);
    if (!native_)
        instrument_.set(pixels.observed(first, n));
    placed_ = false;
    runs_.assign(1, 0);
    for (const std::size_t run : pixels.runs())
        if (run > first && run < first + n)
            runs_.push_back(run - first);
    runs_.push_back(n);
    if (continuum)
        lines_.set(pixels.place() + first, runs_, n, half_);
}

// True if the instrument has no effect.
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
    if (native_)
        return;
    bool near = placed_ && extra == placed_extra_;
    for (std::size_t arm = 0; near && arm < shift_.size(); ++arm)
        near = std::abs(shift_[arm] - placed_shift_[arm]) <= reach_;
    if (!near) {
        using Derivatives = Instrument::Derivatives;
        instrument_.place(shift_, extra, nuisances_.count() > 0 ? Derivatives::both : Derivatives::none);
        placed_shift_ = shift_;
        placed_extra_ = extra;
        placed_ = true;
    }
    away_ = shift_;
    for (std::size_t arm = 0; arm < shift_.size(); ++arm)
        away_[arm] -= placed_shift_[arm];
    instrument_.move(away_);
}

void Finish::forget_place() {
    instrument_.forget();
    placed_ = model_known_ = false;
}

void Finish::set_reach(double reach) {
    reach_ = reach;
    for (std::size_t arm = 0; placed_ && arm < shift_.size(); ++arm)
        model_known_ = model_known_ && std::abs(shift_[arm] - placed_shift_[arm]) <= reach;
}

void Finish::drop(const std::vector<std::size_t>& pixels) {
    if (pixels.empty())
        return;
    for (const std::size_t p : pixels)
        weight_[p] = 0.0;
    modes_.forget_weights();
    fitted_known_ = fitted_known_ && !line_ && !modes_.any();
    gradient_known_ = hessian_exact_ = false;
    hessian_known_ = hessian_known_ && pixels.size() < n_ / few_dropped;
}

double Finish::chi2(const double* x) {
    stop_->check();
    if (!model_known_ || !std::equal(x_.begin(), x_.end(), x))
        set_model(x);
    if (!fitted_known_)
        set_fitted();
    return chi2_without_modes() - explained_;
}

double Finish::chi2_without_modes() const {
    return simd::kernels().weighted_square(weight_.data(), data_, fitted_.data(), n_);
}

const double* Finish::fitted_with_modes() {
    if (!modes_.any())
        return fitted_.data();
    explained_fit_.resize(n_);
    modes_.explained(fitted_.data(), explained_fit_.data());
    return explained_fit_.data();
}

// Where the search looks: there the instrument is placed already, as a rule.
void Finish::see_modes() {
    here_.assign(n_all_, 0.0);
    if (nuisances_.shift)
        here_[n_labels_] = fixed_shift_;
    place(here_.data());
    modes_.see(native_ ? nullptr : &instrument_, mode_scale_);
}

void Finish::set_model(const double* x) {
    const auto& kernels = simd::kernels();
    if (modes_.any() && !modes_.seen())
        see_modes();
    place(x);
    std::copy_n(x, n_all_, x_.begin());
    const double* bias = native_ ? emulator_.bias() : spline_.bias.data();
    double* to = native_ ? model_.data() : grid_model_.data();
    kernels.expand(rows(), point_.stride(), emulator_.n_pixels(), point_.coefficients(x), 1, bias, to, 0);
    if (nuisances_.count() > 0) {
        instrument_.apply_with_derivatives(grid_model_.data(), model_.data(), by_shift_.data(),
                                           by_extra_.data());
    } else if (!native_) {
        instrument_.apply(grid_model_.data(), 0, 1, model_.data(), 0);
    }
    model_known_ = true;
    fitted_known_ = columns_known_ = gradient_known_ = hessian_exact_ = false;
}

void Finish::set_fitted() {
    if (line_) {
        lines_.fit(data_, weight_.data(), model_.data());
        for (std::size_t p = 0; p < n_; ++p)
            fitted_[p] = model_[p] * lines_.continuum()[p];
    } else {
        fitted_ = model_;
    }
    explained_ = modes_.any() ? modes_.explain(weight_.data(), data_, fitted_.data()) : 0.0;
    fitted_known_ = true;
}

void Finish::project(const double* v, const float* rows, std::size_t stride, double* out) {
    const double* on_grid = v;
    if (!native_) {
        std::fill(grid_sum_.begin(), grid_sum_.end(), 0.0);
        instrument_.apply_adjoint(v, grid_sum_.data());
        on_grid = grid_sum_.data();
    }
    simd::kernels().weighted_rows(rows, emulator_.n_pixels(), stride, on_grid, out);
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

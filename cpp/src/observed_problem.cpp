#include "observed_problem.hpp"

#include "simd/kernels.hpp"

#include <algorithm>

namespace maury {

ObservedProblem::ObservedProblem(const Emulator& emulator, TrunkPoint& point, const Spectrum& spectrum,
                                 Instrument& instrument, const Freedom& freedom)
    : emulator_(emulator), spline_(emulator.spline()), point_(point), spectrum_(spectrum),
      instrument_(instrument), freedom_(freedom), n_labels_(emulator.n_labels()),
      n_parameters_(n_labels_ + freedom.count()), stride_(emulator.n_pixels() + Instrument::pad),
      x_(n_parameters_), shift_(freedom.n_arms), coefficients_(stride_), tangents_(n_labels_ * stride_) {}

void ObservedProblem::begin(const StopFlag& stop) {
    stop_ = &stop;
    model_known_ = false;
    const std::size_t n = instrument_.pixels().n;
    model_.resize(n);
    residual_.resize(n);
    by_shift_.resize(n);
    jacobian_.resize(n_parameters_ * n);
}

void ObservedProblem::place(const double* x) {
    const double* next = x + n_labels_;
    const double shift = freedom_.shift ? *next++ : fixed_shift_;
    for (std::size_t arm = 0; arm < shift_.size(); ++arm)
        shift_[arm] = shift + (arm > 0 && freedom_.arms ? *next++ : 0.0);
    using Derivatives = Instrument::Derivatives;
    instrument_.place(shift_, freedom_.extra ? *next : 0.0,
                      freedom_.extra         ? Derivatives::both
                      : freedom_.count() > 0 ? Derivatives::shift
                                             : Derivatives::none);
}

double ObservedProblem::chi2(const double* x) {
    stop_->check();
    if (!model_known_ || !std::equal(x_.begin(), x_.end(), x)) {
        place(x);
        std::copy_n(x, n_parameters_, x_.begin());
        simd::kernels().expand(spline_.rows.data(), point_.stride(), emulator_.n_pixels(),
                               point_.coefficients(x), 1, spline_.bias.data(), coefficients_.data(), stride_);
        instrument_.apply(coefficients_.data(), stride_, 1, model_.data(), model_.size());
        model_known_ = true;
    }
    return simd::kernels().weighted_square(spectrum_.weight(), spectrum_.flux(), model_.data(),
                                           model_.size());
}

// With J = d model / d x and r = model - flux: gradient = J'Wr, hessian = J'WJ.
void ObservedProblem::derivatives(const double*, double* gradient, double* hessian) {
    stop_->check();
    const std::size_t n_pixels = model_.size();
    simd::kernels().expand(spline_.rows.data(), point_.stride(), emulator_.n_pixels(), point_.tangents(),
                           n_labels_, nullptr, tangents_.data(), stride_);
    instrument_.apply(tangents_.data(), stride_, n_labels_, jacobian_.data(), n_pixels);
    double* next = &jacobian_[n_labels_ * n_pixels];
    if (freedom_.shift) {
        instrument_.apply_by_shift(coefficients_.data(), next);
        next += n_pixels;
    }
    if (freedom_.arms) {
        const std::int32_t* arm = instrument_.pixels().arm;
        instrument_.apply_by_shift(coefficients_.data(), by_shift_.data());
        for (std::size_t a = 1; a < freedom_.n_arms; ++a, next += n_pixels)
            for (std::size_t p = 0; p < n_pixels; ++p)
                next[p] = arm[p] == static_cast<std::int32_t>(a) ? by_shift_[p] : 0.0;
    }
    if (freedom_.extra)
        instrument_.apply_by_extra(coefficients_.data(), next);
    for (std::size_t p = 0; p < n_pixels; ++p)
        residual_[p] = model_[p] - spectrum_.flux()[p];
    std::fill_n(gradient, n_parameters_, 0.0);
    std::fill_n(hessian, n_parameters_ * n_parameters_, 0.0);
    simd::kernels().normal_sums(jacobian_.data(), n_pixels, n_parameters_, n_pixels, spectrum_.weight(),
                                residual_.data(), gradient, hessian);
    mirror(hessian, n_parameters_);
}

} // namespace maury

#include "pixel_problem.hpp"

#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>

namespace maury {
namespace {

constexpr std::size_t block = 256; // pixels whose Jacobian stays in the first-level cache

} // namespace

PixelProblem::PixelProblem(const Emulator& emulator, TrunkPoint& point, const Spectrum& spectrum)
    : emulator_(emulator), point_(point), spectrum_(spectrum), model_(emulator.n_pixels()),
      x_(emulator.n_labels()), residual_(block), block_(block * (1 + emulator.n_labels())) {}

double PixelProblem::chi2(const double* x) {
    stop_->check();
    if (!model_known_ || !std::equal(x_.begin(), x_.end(), x)) {
        std::copy_n(x, x_.size(), x_.begin());
        simd::kernels().expand(emulator_.rows(), point_.stride(), model_.size(), point_.coefficients(x), 1,
                               emulator_.bias(), model_.data(), model_.size());
        model_known_ = true;
    }
    return simd::kernels().weighted_square(spectrum_.weight(), spectrum_.flux(), model_.data(),
                                           model_.size());
}

// With J = d model / d x and r = model - flux: gradient = J'Wr, hessian = J'WJ.
void PixelProblem::derivatives(const double*, double* gradient, double* hessian) {
    stop_->check();
    const std::size_t n_labels = emulator_.n_labels(), stride = point_.stride();
    const double* tangents = point_.tangents();
    start_sums(gradient, hessian);
    for (std::size_t first = 0; first < model_.size(); first += block) {
        const std::size_t n = std::min(block, model_.size() - first);
        simd::kernels().expand(emulator_.rows() + first * stride, stride, n, tangents, n_labels, nullptr,
                               block_.data(), block);
        add_block(block_.data(), first, n, gradient, hessian);
    }
    mirror(hessian, emulator_.n_labels());
}

double PixelProblem::chi2_and_derivatives(const double* x, double* gradient, double* hessian) {
    stop_->check();
    const std::size_t n_labels = emulator_.n_labels(), stride = point_.stride();
    const double* columns = point_.coefficients_and_tangents(x);
    start_sums(gradient, hessian);
    std::copy_n(x, x_.size(), x_.begin());
    for (std::size_t first = 0; first < model_.size(); first += block) {
        const std::size_t n = std::min(block, model_.size() - first);
        simd::kernels().expand(emulator_.rows() + first * stride, stride, n, columns, 1 + n_labels, nullptr,
                               block_.data(), block);
        for (std::size_t p = 0; p < n; ++p)
            model_[first + p] = block_[p] + emulator_.bias()[first + p];
        add_block(&block_[block], first, n, gradient, hessian);
    }
    model_known_ = true;
    mirror(hessian, emulator_.n_labels());
    return chi2(x);
}

void PixelProblem::add_block(const double* jacobian, std::size_t first, std::size_t n, double* gradient,
                             double* hessian) {
    for (std::size_t p = 0; p < n; ++p)
        residual_[p] = model_[first + p] - spectrum_.flux()[first + p];
    simd::kernels().normal_sums(jacobian, block, emulator_.n_labels(), n, spectrum_.weight() + first,
                                residual_.data(), gradient, hessian);
}

void PixelProblem::start_sums(double* gradient, double* hessian) const {
    const std::size_t n_labels = emulator_.n_labels();
    std::fill_n(gradient, n_labels, 0.0);
    std::fill_n(hessian, n_labels * n_labels, 0.0);
}

} // namespace maury

#include "maury/instrument.hpp"

#include "blurred_step.hpp"
#include "simd/kernels.hpp"
#include "step_table.hpp"

#include <algorithm>
#include <cmath>

namespace maury {
namespace {

constexpr double same_sigma = 0.1; // neighbours whose sigma differs by a larger part belong to other optics

} // namespace

// (c_{i-1} + 4 c_i + c_{i+1}) / 6 = values_i, with c_{-1} = c_0 and c_n = c_{n-1}.
void spline_coefficients(double* values, std::size_t n, std::size_t n_columns) {
    if (n < 2)
        return; // a constant
    std::vector<double> upper(n);
    for (std::size_t i = 0; i < n; ++i) {
        const double diagonal = (i == 0 || i == n - 1) ? 5.0 : 4.0;
        const double pivot = 1.0 / (diagonal - (i > 0 ? upper[i - 1] : 0.0));
        upper[i] = pivot;
        for (std::size_t c = 0; c < n_columns; ++c) {
            const double before = i > 0 ? values[(i - 1) * n_columns + c] : 0.0;
            values[i * n_columns + c] = (6.0 * values[i * n_columns + c] - before) * pivot;
        }
    }
    for (std::size_t i = n - 1; i-- > 0;)
        for (std::size_t c = 0; c < n_columns; ++c)
            values[i * n_columns + c] -= upper[i] * values[(i + 1) * n_columns + c];
}

Instrument::Instrument(std::size_t n_grid)
    : n_grid_(n_grid), steps_(std::make_unique<StepTable>()), lower_(std::make_unique<PixelEdge>()),
      upper_(std::make_unique<PixelEdge>()) {}

Instrument::~Instrument() = default;

void Instrument::set(const ObservedPixels& pixels) {
    pixels_ = pixels;
    placed_ = false;
}

void Instrument::place(const std::vector<double>& shift, double extra, Derivatives derivatives) {
    if (placed_ && shift == shift_ && extra == extra_ && derivatives <= derivatives_)
        return;
    placed_ = true;
    shift_ = shift;
    extra_ = extra;
    derivatives_ = derivatives;
    make_rows();
}

void Instrument::make_rows() {
    const ObservedPixels& pixels = pixels_;
    first_.resize(pixels.n + 1); // one more to point to
    start_.resize(pixels.n + 1);
    n_weights_ = 0;
    const auto variance_of = [&](std::size_t p) {
        return std::max(0.0, (pixels.variance ? pixels.variance[p] : 0.0) + extra_);
    };
    const auto arm_of = [&](std::size_t p) { return pixels.arm ? pixels.arm[p] : 0; };
    const auto joined = [&](std::size_t p, double variance, double next) { // to the next pixel
        constexpr double similar = (1.0 - same_sigma) * (1.0 - same_sigma);
        return pixels.high[p] == pixels.low[p + 1] && arm_of(p) == arm_of(p + 1) &&
               std::min(variance, next) >= similar * std::max(variance, next);
    };
    const int n_derivatives = static_cast<int>(derivatives_);
    double variance = pixels.n > 0 ? variance_of(0) : 0.0;
    bool shares_lower = false;
    for (std::size_t p = 0; p < pixels.n; ++p) {
        const double by = shift_[static_cast<std::size_t>(arm_of(p))];
        const double next = p + 1 < pixels.n ? variance_of(p + 1) : variance;
        if (pixels.n_neighbours > 0) {
            add_neighbours(p, by, variance);
        } else {
            const bool shares_upper = p + 1 < pixels.n && joined(p, variance, next);
            if (shares_lower)
                std::swap(lower_, upper_);
            else
                steps_->set(*lower_, pixels.low[p] - by, variance, n_derivatives);
            steps_->set(*upper_, pixels.high[p] - by, shares_upper ? 0.5 * (variance + next) : variance,
                        n_derivatives);
            begin_row(p, std::min(lower_->first, upper_->first), std::max(lower_->end(), upper_->end()));
            add_average(1.0 / (pixels.high[p] - pixels.low[p]));
            shares_lower = shares_upper;
        }
        variance = next;
    }
    start_[pixels.n] = static_cast<std::uint32_t>(n_weights_);
}

// Room for the weights of coefficients first to end - 1. Beyond the ends of the grid f is its last value.
void Instrument::begin_row(std::size_t p, std::ptrdiff_t first, std::ptrdiff_t end) {
    const std::ptrdiff_t last = static_cast<std::ptrdiff_t>(n_grid_) - 1;
    const std::ptrdiff_t begin = std::clamp<std::ptrdiff_t>(first, 0, last);
    const std::ptrdiff_t n = std::clamp<std::ptrdiff_t>(end - 1, 0, last) - begin + 1;
    row_ = n_weights_;
    first_of_row_ = begin;
    first_[p] = static_cast<std::uint32_t>(begin);
    start_[p] = static_cast<std::uint32_t>(row_);
    n_weights_ += (static_cast<std::size_t>(n) + pad - 1) / pad * pad;
    if (weight_.size() < n_weights_)
        for (auto* values : {&weight_, &by_shift_, &by_extra_})
            values->resize(2 * n_weights_);
    std::fill(&weight_[row_], weight_.data() + n_weights_, 0.0);
    if (derivatives_ >= Derivatives::shift)
        std::fill(&by_shift_[row_], by_shift_.data() + n_weights_, 0.0);
    if (derivatives_ == Derivatives::both)
        std::fill(&by_extra_[row_], by_extra_.data() + n_weights_, 0.0);
}

// weight_j += (S(high - j) - S(low - j)) scale; by d S / d shift = -S', d S / d variance = S'' / 2.
void Instrument::add_average(double scale) {
    const std::ptrdiff_t first = std::min(lower_->first, upper_->first),
                         end = std::max(lower_->end(), upper_->end());
    const std::ptrdiff_t aside = std::max({lower_->first - first, upper_->first - first, end - lower_->end(),
                                           end - upper_->end()});
    if (first < 0 || end > static_cast<std::ptrdiff_t>(n_grid_) ||
        aside > static_cast<std::ptrdiff_t>(PixelEdge::beyond)) {
        add_edge(*upper_, scale, first);
        add_edge(*lower_, -scale, first);
        return;
    }
    const std::size_t at = row_ + static_cast<std::size_t>(first - first_of_row_),
                      n = static_cast<std::size_t>(end - first);
    const auto add = [&](int derivative, double factor, std::vector<double>& out) {
        simd::kernels().add_difference(upper_->value(derivative) + (first - upper_->first),
                                       lower_->value(derivative) + (first - lower_->first), factor, n, &out[at]);
    };
    add(0, scale, weight_);
    if (derivatives_ >= Derivatives::shift)
        add(1, -scale, by_shift_);
    if (derivatives_ == Derivatives::both)
        add(2, 0.5 * scale, by_extra_);
}

// The same of one edge, where the grid ends or the pixel is wide.
void Instrument::add_edge(const PixelEdge& edge, double scale, std::ptrdiff_t first) {
    const auto last = static_cast<std::ptrdiff_t>(n_grid_) - 1;
    for (std::ptrdiff_t j = first; j < edge.end(); ++j) {
        const std::size_t at =
            row_ + static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(j, 0, last) - first_of_row_);
        const std::ptrdiff_t k = j - edge.first;
        weight_[at] += scale * (k < 0 ? 1.0 : edge.value(0)[k]);
        if (derivatives_ >= Derivatives::shift && k >= 0)
            by_shift_[at] -= scale * edge.value(1)[k];
        if (derivatives_ == Derivatives::both && k >= 0)
            by_extra_[at] += 0.5 * scale * edge.value(2)[k];
    }
}

// The flux that pixel p sees of a neighbour is the average over a pixel of the grid around its centre.
void Instrument::add_neighbours(std::size_t p, double shift, double variance) {
    const std::size_t n = pixels_.n_neighbours, side = n / 2;
    const double* resolution = pixels_.resolution + p * n;
    const auto centre_of = [&](std::size_t q) { return 0.5 * (pixels_.low[q] + pixels_.high[q]) - shift; };
    const double centre = centre_of(p), narrowing = pixels_.narrowing[p];
    const auto each = [&](auto&& use) {
        for (std::size_t d = 0; d < n; ++d)
            if (resolution[d] != 0.0 && p + d >= side && p + d - side < pixels_.n)
                use(centre + narrowing * (centre_of(p + d - side) - centre), resolution[d]);
    };
    double low = centre, high = centre;
    each([&](double place, double) {
        low = std::min(low, place);
        high = std::max(high, place);
    });
    const double reach = 3.0 + blur_reach * std::sqrt(1.03 * variance); // and a node's reach is a little more
    begin_row(p, static_cast<std::ptrdiff_t>(std::ceil(low - reach)),
              static_cast<std::ptrdiff_t>(std::floor(high + reach)) + 1);
    each([&](double place, double seen) {
        steps_->set(*lower_, place - 0.5, variance, static_cast<int>(derivatives_));
        steps_->set(*upper_, place + 0.5, variance, static_cast<int>(derivatives_));
        add_average(seen);
    });
}

void Instrument::apply(const double* coefficients, std::size_t stride, std::size_t n_columns, double* out,
                       std::size_t out_stride) const {
    simd::kernels().banded(weight_.data(), first_.data(), start_.data(), pixels_.n,
                           coefficients, stride, n_columns, out, out_stride);
}

void Instrument::apply_with_derivatives(const double* coefficients, double* out, double* by_shift,
                                        double* by_extra) const {
    simd::kernels().banded_derivatives(weight_.data(), by_shift_.data(), by_extra_.data(),
                                       first_.data(), start_.data(), pixels_.n, coefficients,
                                       out, by_shift, by_extra);
}

void Instrument::apply_eight(const float* rows, double* out) const {
    simd::kernels().banded_eight(weight_.data(), first_.data(), start_.data(), pixels_.n,
                                 rows, out);
}

void Instrument::apply_adjoint(const double* values, double* out) const {
    simd::kernels().banded_adjoint(weight_.data(), first_.data(), start_.data(), pixels_.n,
                                   values, out);
}

void Instrument::apply_rows(const float* rows, std::size_t stride, float* out) const {
    simd::kernels().banded_rows(weight_.data(), first_.data(), start_.data(), pixels_.n,
                                rows, stride, out);
}

} // namespace maury

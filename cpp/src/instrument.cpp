#include "maury/instrument.hpp"

#include "blurred_step.hpp"
#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>

namespace maury {
namespace {

constexpr double same_phase = 1e-8; // pixels
constexpr double same_sigma = 0.1;  // neighbours whose sigma differs by a larger part belong to other optics

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

Instrument::Instrument(std::size_t n_grid) : n_grid_(n_grid) {
    lower_.values = std::make_unique<BlurredStep>();
    upper_.values = std::make_unique<BlurredStep>();
    anchor_.edge.values = std::make_unique<BlurredStep>();
}

Instrument::~Instrument() = default;

void Instrument::set(const ObservedPixels& pixels) {
    pixels_ = part_ = pixels;
    first_of_part_ = 0;
    placed_ = false;
}

void Instrument::look_at(const ObservedPixels& part, std::size_t first) {
    part_ = part;
    first_of_part_ = first;
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
    const auto sigma_of = [&](std::size_t p) {
        return std::sqrt(std::max(0.0, (pixels.variance ? pixels.variance[p] : 0.0) + extra_));
    };
    const auto arm_of = [&](std::size_t p) { return pixels.arm ? pixels.arm[p] : 0; };
    const auto joined = [&](std::size_t p, double sigma, double next_sigma) { // to the next pixel
        return pixels.high[p] == pixels.low[p + 1] && arm_of(p) == arm_of(p + 1) &&
               std::abs(sigma - next_sigma) <= same_sigma * std::max(sigma, next_sigma);
    };
    anchor_.sigma = -1.0; // what is computed depends on this spectrum alone
    double sigma = pixels.n > 0 ? sigma_of(0) : 0.0;
    bool shares_lower = false;
    for (std::size_t p = 0; p < pixels.n; ++p) {
        const double by = shift_[static_cast<std::size_t>(arm_of(p))];
        const double next_sigma = p + 1 < pixels.n ? sigma_of(p + 1) : sigma;
        if (pixels.n_neighbours > 0) {
            add_neighbours(p, by, sigma);
        } else {
            const bool shares_upper = p + 1 < pixels.n && joined(p, sigma, next_sigma);
            if (shares_lower)
                std::swap(lower_, upper_);
            else
                set_edge(lower_, pixels.low[p] - by, sigma);
            set_edge(upper_, pixels.high[p] - by, shares_upper ? 0.5 * (sigma + next_sigma) : sigma);
            begin_row(p, std::min(lower_.first, upper_.first), std::max(end_of(lower_), end_of(upper_)));
            add_average(1.0 / (pixels.high[p] - pixels.low[p]));
            shares_lower = shares_upper;
        }
        sigma = next_sigma;
    }
    start_[pixels.n] = static_cast<std::uint32_t>(n_weights_);
}

// S at the edge less each coefficient that is near it.
void Instrument::set_edge(Edge& edge, double place, double sigma) {
    if (derivatives_ != Derivatives::both && follow_anchor(edge, place, sigma))
        return;
    Edge& whole = derivatives_ == Derivatives::both ? edge : anchor_.edge;
    const double reach = 1.5 + blur_reach * sigma, first = std::ceil(place - reach);
    whole.first = static_cast<std::ptrdiff_t>(first);
    whole.n = static_cast<std::ptrdiff_t>(std::floor(place + reach) - first) + 1;
    whole.values->set(place - first, static_cast<std::size_t>(whole.n), sigma,
                      derivatives_ == Derivatives::both ? 2 : BlurredStep::most);
    if (&whole != &edge) {
        anchor_.place = place;
        anchor_.sigma = sigma;
        follow_anchor(edge, place, sigma);
    }
}

// False where the third order in the variance, S'''''' v^3 / 48, might exceed 4e-9: |S''''''| <= 1.7 /
// sigma^4.
bool Instrument::follow_anchor(Edge& edge, double place, double sigma) const {
    const double away = place - anchor_.place, whole = std::round(away), older = anchor_.sigma;
    const double v = (sigma - older) * (sigma + older), least = std::min(sigma, older);
    if (older < 0.0 || std::abs(away - whole) > same_phase ||
        std::abs(v * v * v) > 1e-7 * least * least * least * least)
        return false;
    edge.first = anchor_.edge.first + static_cast<std::ptrdiff_t>(whole);
    edge.n = anchor_.edge.n;
    edge.values->set_near(*anchor_.edge.values, static_cast<std::size_t>(edge.n), v,
                          derivatives_ == Derivatives::shift ? 1 : 0);
    return true;
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
    add_edge(upper_, scale, std::min(lower_.first, upper_.first));
    add_edge(lower_, -scale, std::min(lower_.first, upper_.first));
}

void Instrument::add_edge(const Edge& edge, double scale, std::ptrdiff_t first) {
    const double *step = edge.values->derivative(0), *slope = edge.values->derivative(1),
                 *curvature = edge.values->derivative(2);
    const auto last = static_cast<std::ptrdiff_t>(n_grid_) - 1;
    if (first >= 0 && end_of(edge) <= last + 1) {
        double* to = &weight_[row_ + static_cast<std::size_t>(first - first_of_row_)];
        for (std::ptrdiff_t j = first; j < edge.first; ++j)
            *to++ += scale;
        for (std::ptrdiff_t k = 0; k < edge.n; ++k)
            to[k] += scale * step[k];
        const std::size_t at = row_ + static_cast<std::size_t>(edge.first - first_of_row_);
        if (derivatives_ >= Derivatives::shift)
            for (std::ptrdiff_t k = 0; k < edge.n; ++k)
                by_shift_[at + static_cast<std::size_t>(k)] -= scale * slope[k];
        if (derivatives_ == Derivatives::both)
            for (std::ptrdiff_t k = 0; k < edge.n; ++k)
                by_extra_[at + static_cast<std::size_t>(k)] += 0.5 * scale * curvature[k];
        return;
    }
    for (std::ptrdiff_t j = first; j < end_of(edge); ++j) {
        const std::size_t at =
            row_ + static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(j, 0, last) - first_of_row_);
        const std::ptrdiff_t k = j - edge.first;
        weight_[at] += scale * (k < 0 ? 1.0 : step[k]);
        if (derivatives_ >= Derivatives::shift && k >= 0)
            by_shift_[at] -= scale * slope[k];
        if (derivatives_ == Derivatives::both && k >= 0)
            by_extra_[at] += 0.5 * scale * curvature[k];
    }
}

// The flux that pixel p sees of a neighbour is the average over a pixel of the grid around its centre.
void Instrument::add_neighbours(std::size_t p, double shift, double sigma) {
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
    const double reach = 2.0 + blur_reach * sigma;
    begin_row(p, static_cast<std::ptrdiff_t>(std::ceil(low - reach)),
              static_cast<std::ptrdiff_t>(std::floor(high + reach)) + 1);
    each([&](double place, double seen) {
        set_edge(lower_, place - 0.5, sigma);
        set_edge(upper_, place + 0.5, sigma);
        add_average(seen);
    });
}

void Instrument::apply(const double* coefficients, std::size_t stride, std::size_t n_columns, double* out,
                       std::size_t out_stride) const {
    simd::kernels().banded(weight_.data(), &first_[first_of_part_], &start_[first_of_part_], part_.n,
                           coefficients, stride, n_columns, out, out_stride);
}

void Instrument::apply_to_all(const double* coefficients, double* out) const {
    simd::kernels().banded(weight_.data(), first_.data(), start_.data(), pixels_.n, coefficients, 0, 1, out,
                           0);
}

void Instrument::apply_by_shift(const double* coefficients, double* out) const {
    simd::kernels().banded(by_shift_.data(), &first_[first_of_part_], &start_[first_of_part_], part_.n,
                           coefficients, 0, 1, out, 0);
}

void Instrument::apply_by_extra(const double* coefficients, double* out) const {
    simd::kernels().banded(by_extra_.data(), &first_[first_of_part_], &start_[first_of_part_], part_.n,
                           coefficients, 0, 1, out, 0);
}

void Instrument::apply_eight(const float* rows, double* out) const {
    simd::kernels().banded_eight(weight_.data(), &first_[first_of_part_], &start_[first_of_part_], part_.n,
                                 rows, out);
}

void Instrument::apply_adjoint(const double* values, double* out) const {
    simd::kernels().banded_adjoint(weight_.data(), &first_[first_of_part_], &start_[first_of_part_], part_.n,
                                   values, out);
}

void Instrument::apply_rows(const float* rows, std::size_t stride, float* out) const {
    simd::kernels().banded_rows(weight_.data(), &first_[first_of_part_], &start_[first_of_part_], part_.n,
                                rows, stride, out);
}

} // namespace maury

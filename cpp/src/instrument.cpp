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
    : n_grid_(n_grid), steps_(StepTable::borrow()), lower_(std::make_unique<PixelEdge>()),
      upper_(std::make_unique<PixelEdge>()) {}

Instrument::~Instrument() { StepTable::give_back(std::move(steps_)); }

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
    away_.clear();
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
            set_average(1.0 / (pixels.high[p] - pixels.low[p]), false);
            shares_lower = shares_upper;
        }
        variance = next;
    }
    start_[pixels.n] = static_cast<std::uint32_t>(n_weights_);
}

// Room, not filled, for the weights of coefficients first to end - 1, from a multiple of pad on, so that
// vectors of neighbouring rows coincide. Beyond the ends of the grid f is its last value.
void Instrument::begin_row(std::size_t p, std::ptrdiff_t first, std::ptrdiff_t end) {
    const std::ptrdiff_t last = static_cast<std::ptrdiff_t>(n_grid_) - 1;
    const std::ptrdiff_t begin =
        std::clamp<std::ptrdiff_t>(first, 0, last) / std::ptrdiff_t{pad} * std::ptrdiff_t{pad};
    const std::ptrdiff_t n = std::clamp<std::ptrdiff_t>(end - 1, 0, last) - begin + 1;
    row_ = n_weights_;
    first_of_row_ = begin;
    first_[p] = static_cast<std::uint32_t>(begin);
    start_[p] = static_cast<std::uint32_t>(row_);
    n_weights_ += (static_cast<std::size_t>(n) + pad - 1) / pad * pad;
    if (weight_.size() < n_weights_)
        for (auto* values : {&weight_, &by_shift_, &by_extra_})
            values->resize(2 * n_weights_);
}

void Instrument::clear_row() {
    std::fill(&weight_[row_], weight_.data() + n_weights_, 0.0);
    std::fill(&by_shift_[row_], by_shift_.data() + n_weights_, 0.0);
    std::fill(&by_extra_[row_], by_extra_.data() + n_weights_, 0.0);
}

// weight_j = (S(high - j) - S(low - j)) scale, or that added; by d S / d shift = -S', d S / d variance = S''
// / 2.
void Instrument::set_average(double scale, bool add) {
    constexpr auto beyond = static_cast<std::ptrdiff_t>(PixelEdge::beyond);
    const std::ptrdiff_t first = std::min(lower_->first, upper_->first),
                         last = std::max(lower_->end(), upper_->end());
    constexpr auto step = static_cast<std::ptrdiff_t>(pad);
    const std::ptrdiff_t begin = first / step * step, end = (last + step - 1) / step * step;
    const auto reaches = [&](const PixelEdge& edge) {
        return edge.first - begin <= beyond && end - edge.end() <= beyond;
    };
    if (first < 0 || last > static_cast<std::ptrdiff_t>(n_grid_) || !reaches(*lower_) || !reaches(*upper_)) {
        if (!add)
            clear_row();
        add_edge(*upper_, scale, first);
        add_edge(*lower_, -scale, first);
        return;
    }
    static const auto difference = simd::kernels().edge_difference;
    const std::size_t at = row_ + static_cast<std::size_t>(begin - first_of_row_);
    difference(upper_->value(0) + (begin - upper_->first), upper_->stride,
               lower_->value(0) + (begin - lower_->first), lower_->stride, scale,
               static_cast<std::size_t>(end - begin), static_cast<int>(derivatives_), add, &weight_[at],
               &by_shift_[at], &by_extra_[at]);
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

// The average of f over a pixel of the grid around u, not blurred: sum_j c_j C(u - j), C the cubic B-spline;
// by d / d shift = -d / du, d / d extra = d2 / du2 / 2.
void Instrument::add_point(double u, double scale) {
    auto whole = static_cast<std::ptrdiff_t>(u);
    whole -= u < static_cast<double>(whole);
    const double t = u - static_cast<double>(whole), s = 1.0 - t, sixth = scale / 6.0, half = 0.5 * scale;
    const double value[4] = {sixth * s * s * s, sixth * (t * t * (3.0 * t - 6.0) + 4.0),
                             sixth * (s * s * (3.0 * s - 6.0) + 4.0), sixth * t * t * t};
    const double slope[4] = {half * s * s, half * t * (4.0 - 3.0 * t), half * s * (3.0 * s - 4.0),
                             -half * t * t};
    const double bend[4] = {half * s, half * (3.0 * t - 2.0), half * (3.0 * s - 2.0), half * t};
    const auto last = static_cast<std::ptrdiff_t>(n_grid_) - 1;
    const auto add = [&](std::ptrdiff_t k, std::ptrdiff_t j) {
        const std::size_t at = row_ + static_cast<std::size_t>(j - first_of_row_);
        weight_[at] += value[k];
        if (derivatives_ == Derivatives::none)
            return;
        by_shift_[at] += slope[k]; // there is room for both
        by_extra_[at] += bend[k];
    };
    const bool inside = whole > 0 && whole + 2 <= last;
    for (std::ptrdiff_t k = 0; k < 4; ++k)
        add(k, inside ? whole - 1 + k : std::clamp<std::ptrdiff_t>(whole - 1 + k, 0, last));
}

// The flux that pixel p sees of a neighbour is the average over a pixel of the grid around its centre.
void Instrument::add_neighbours(std::size_t p, double shift, double variance) {
    const std::size_t n = pixels_.n_neighbours, side = n / 2;
    const double* resolution = pixels_.resolution + p * n;
    const auto centre_of = [&](std::size_t q) { return 0.5 * (pixels_.low[q] + pixels_.high[q]) - shift; };
    const double centre = centre_of(p), narrowing = pixels_.narrowing[p];
    const auto each = [&](auto&& use) {
        double at_centre = 0.0; // where nothing is left of the profile
        for (std::size_t d = 0; d < n; ++d)
            if (resolution[d] != 0.0 && p + d >= side && p + d - side < pixels_.n) {
                if (narrowing == 0.0)
                    at_centre += resolution[d];
                else
                    use(centre + narrowing * (centre_of(p + d - side) - centre), resolution[d]);
            }
        if (at_centre != 0.0)
            use(centre, at_centre);
    };
    double low = centre, high = centre;
    each([&](double place, double) {
        low = std::min(low, place);
        high = std::max(high, place);
    });
    const double reach = 3.0 + blur_reach * std::sqrt(1.03 * variance); // and a node's reach is a little more
    begin_row(p, static_cast<std::ptrdiff_t>(std::ceil(low - reach)),
              static_cast<std::ptrdiff_t>(std::floor(high + reach)) + 1);
    clear_row();
    if (variance == 0.0)
        return each([&](double place, double seen) { add_point(place, seen); });
    each([&](double place, double seen) {
        steps_->set(*lower_, place - 0.5, variance, static_cast<int>(derivatives_));
        steps_->set(*upper_, place + 0.5, variance, static_cast<int>(derivatives_));
        set_average(seen, true);
    });
}

simd::Band Instrument::band() const {
    return {pixels_.n,
            first_.data(),
            start_.data(),
            weight_.data(),
            by_shift_.data(),
            by_extra_.data(),
            away_.empty() ? nullptr : by_pixel_.data()};
}

void Instrument::move(const std::vector<double>& away) {
    if (away == away_)
        return;
    away_ = away;
    by_pixel_.resize(pixels_.n);
    for (std::size_t p = 0; p < pixels_.n; ++p)
        by_pixel_[p] = away[static_cast<std::size_t>(pixels_.arm ? pixels_.arm[p] : 0)];
}

void Instrument::apply(const double* coefficients, std::size_t stride, std::size_t n_columns, double* out,
                       std::size_t out_stride, std::size_t out_step) const {
    simd::kernels().banded(band(), coefficients, stride, n_columns, out, out_stride, out_step);
}

void Instrument::apply_with_derivatives(const double* coefficients, double* out, double* by_shift,
                                        double* by_extra) const {
    simd::kernels().banded_derivatives(band(), coefficients, out, by_shift, by_extra);
}

void Instrument::apply_adjoint(const double* values, double* out) const {
    simd::kernels().banded_adjoint(band(), values, out);
}

} // namespace maury

#include "view.hpp"

#include <algorithm>
#include <bitset>
#include <cmath>
#include <limits>

namespace maury {
namespace {

constexpr double far = 0.5;    // pixels, or their squares: a search elsewhere may end in another minimum
constexpr double margin = 2.0; // in sigma: nearer to its ends the emulator lacks what a pixel sees

// The n pixels from here on: where they lie, and what their instrument does.
ObservedPixels part_of(ObservedPixels pixels, std::size_t grid, std::size_t optics, std::size_t n) {
    pixels.n = n;
    pixels.low += grid;
    pixels.high += grid;
    if (pixels.arm)
        pixels.arm += grid;
    if (pixels.variance)
        pixels.variance += optics;
    if (pixels.resolution)
        pixels.resolution += optics * pixels.n_neighbours;
    if (pixels.narrowing)
        pixels.narrowing += optics;
    return pixels;
}

} // namespace

ObservedPixels pixels_of(const Observed& observed, std::size_t i) {
    const std::size_t n = observed.n_pixels;
    return part_of(observed.pixels, observed.one_grid ? 0 : i * n, observed.one_variance ? 0 : i * n, n);
}

View::View(const Emulator& emulator, const Observed& observed, TrunkPoint& point, const Spectrum& spectrum)
    : emulator_(emulator), observed_(observed), instrument_(emulator.n_pixels()),
      problem_(emulator, point, spectrum, instrument_, observed.freedom), seen_(observed.freedom.count()),
      lower_(seen_.size()), upper_(seen_.size()) {}

void View::set(std::size_t i, double* x) {
    instrument_.set(pixels_of(observed_, i));
    first_ = 0;
    shift_ = observed_.shift ? observed_.shift[i] : 0.0;
    problem_.set_shift(shift_);

    const Freedom& freedom = observed_.freedom;
    double* next = x + emulator_.n_labels();
    std::size_t k = 0;
    const auto add = [&](double start, double lower, double upper) {
        lower_[k] = lower;
        upper_[k++] = upper;
        *next++ = std::clamp(start, lower, upper);
    };
    if (freedom.shift)
        add(shift_, -freedom.most_shift, freedom.most_shift);
    if (freedom.arms)
        for (std::size_t arm = 1; arm < freedom.n_arms; ++arm)
            add(0.0, -freedom.most_arm_shift, freedom.most_arm_shift);
    if (freedom.extra)
        add(0.0, -least_variance(), freedom.most_extra);
}

// More than this nothing can narrow. What pads a spectrum has no part in it.
double View::least_variance() const {
    const ObservedPixels& pixels = instrument_.pixels();
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t p = 0; pixels.variance && p < pixels.n; ++p)
        if (on_emulator(p))
            least = std::min(least, pixels.variance[p]);
    return std::isfinite(least) ? least : 0.0;
}

bool View::on_emulator(std::size_t p) const {
    constexpr double rounding = 1e-3; // edges are half-way in wavelength, on a grid even in its logarithm too
    const ObservedPixels& pixels = instrument_.pixels();
    const double aside = pixels.variance ? margin * std::sqrt(pixels.variance[p]) : 0.0;
    return pixels.low[p] - shift_ - aside >= -0.5 - rounding &&
           pixels.high[p] - shift_ + aside <= static_cast<double>(emulator_.n_pixels()) - 0.5 + rounding;
}

// What lies beyond would cost time, and sums that depend on it would depend on how far a file goes on there.
void View::narrow() {
    const auto [first, n] = on_emulator();
    first_ = first_known_ = first;
    instrument_.set(part_of(instrument_.pixels(), first, first, n));
}

void View::narrow(const bool* inside) {
    const ObservedPixels all = instrument_.pixels();
    first_known_ = 0;
    std::size_t end = all.n;
    while (first_known_ < end && !inside[first_known_])
        ++first_known_;
    while (first_known_ < end && !inside[end - 1])
        --end;
    instrument_.set(part_of(all, first_known_, first_known_, end - first_known_));
    const auto [first, n] = on_emulator();
    first_ = first_known_ + first;
    instrument_.look_at(part_of(instrument_.pixels(), first, first, n), first);
}

// The first pixel that lies on the emulator, and how many there are to the last.
std::pair<std::size_t, std::size_t> View::on_emulator() const {
    std::size_t first = 0, end = n();
    while (first < end && !on_emulator(first))
        ++first;
    while (first < end && !on_emulator(end - 1))
        --end;
    return {first, end - first};
}

void View::see_all(const double* coefficients, double* out) const {
    constexpr double not_known = std::numeric_limits<double>::quiet_NaN();
    const std::size_t end = first_known_ + instrument_.n_all();
    std::fill_n(out, first_known_, not_known);
    instrument_.apply_to_all(coefficients, out + first_known_);
    std::fill(out + end, out + observed_.n_pixels, not_known);
}

// A row of a resolution matrix sees neighbours; without some of them it would see too little.
bool View::has_neighbours(std::size_t p) const {
    const ObservedPixels& pixels = instrument_.pixels();
    const std::size_t side = pixels.n_neighbours / 2;
    for (std::size_t d = 0; d < pixels.n_neighbours; ++d)
        if (pixels.resolution[p * pixels.n_neighbours + d] != 0.0 &&
            (p + d < side || p + d - side >= pixels.n || !on_emulator(p + d - side)))
            return false;
    return true;
}

const double* View::scatter(const double* scatter) {
    const ObservedPixels& pixels = instrument_.pixels();
    const auto last = static_cast<double>(emulator_.n_pixels() - 1);
    scatter_.resize(pixels.n);
    for (std::size_t p = 0; p < pixels.n; ++p) {
        const double u = std::clamp(0.5 * (pixels.low[p] + pixels.high[p]) - shift_, 0.0, last);
        const auto left = static_cast<std::size_t>(u);
        const double part = u - static_cast<double>(left);
        scatter_[p] = !(on_emulator(p) && has_neighbours(p)) ? std::numeric_limits<double>::quiet_NaN()
                      : !scatter                             ? 0.0
                      : part == 0.0 ? scatter[left]
                                    : (1.0 - part) * scatter[left] + part * scatter[left + 1];
    }
    return scatter_.data();
}

void View::fix_unseen_arms(const double* weight) {
    const Freedom& freedom = observed_.freedom;
    if (!freedom.arms)
        return;
    std::bitset<Freedom::most_arms> seen;
    for (std::size_t p = 0; p < n(); ++p)
        if (weight[p] > 0.0)
            seen.set(instrument_.pixels().arm ? static_cast<std::size_t>(instrument_.pixels().arm[p]) : 0);
    bool others_differ = seen[0];
    for (std::size_t arm = 1; arm < freedom.n_arms; ++arm) {
        if (!seen[arm] || !others_differ) {
            const std::size_t k = (freedom.shift ? 1 : 0) + arm - 1;
            lower_[k] = upper_[k] = 0.0;
        }
        others_differ = others_differ || seen[arm];
    }
}

void View::see(const double* x) {
    const std::size_t stride = emulator_.basis().stride;
    rows_.resize(n() * stride);
    mean_.resize(n());
    problem_.place(x);
    instrument_.apply_rows(emulator_.spline().basis_rows(), stride, rows_.data());
    instrument_.apply(emulator_.spline().mean.data(), 0, 1, mean_.data(), 0);
    std::copy_n(x + emulator_.n_labels(), seen_.size(), seen_.begin());
}

void see(const Emulator& emulator, const Observed& observed, std::size_t n_spectra, const double* labels,
         const double* nuisances, double* flux) {
    const std::size_t n_labels = emulator.n_labels(), n_nuisances = observed.freedom.count();
    const StopFlag stop;
    Spectrum none;
    const std::vector<double> zeros(observed.n_pixels);
    none.set(observed.n_pixels, zeros.data(), zeros.data(), nullptr);
    TrunkPoint point(emulator.trunk());
    View view(emulator, observed, point, none);
    std::vector<double> x(n_labels + n_nuisances);
    for (std::size_t i = 0; i < n_spectra; ++i, flux += observed.n_pixels) {
        view.set(i, x.data());
        emulator.to_scaled(labels + i * n_labels, x.data());
        std::copy_n(nuisances + i * n_nuisances, n_nuisances, x.data() + n_labels);
        view.problem().begin(stop);
        view.problem().chi2(x.data());
        std::copy_n(view.problem().model(), observed.n_pixels, flux);
    }
}

bool View::moved(const double* x) const {
    for (std::size_t k = 0; k < seen_.size(); ++k)
        if (std::abs(x[emulator_.n_labels() + k] - seen_[k]) > far)
            return true;
    return false;
}

} // namespace maury

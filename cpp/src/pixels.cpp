#include "pixels.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace maury {
namespace {

constexpr double gap = 1.5;      // a step longer than that on the other side by this factor is a gap
constexpr double sharp = 0.95;   // of the emulator's sigma: a pixel with less has a higher resolution
constexpr double margin = 2.0;   // in sigma: nearer to its ends the emulator lacks what a pixel sees
constexpr double far_away = 1e7; // pixels: where padding lies
constexpr double whole_row = 1e-3;

} // namespace

void Pixels::set(const Spectra& spectra, std::size_t i, double rv) {
    const std::size_t n = spectra.n_pixels;
    const double doppler = grid_.even() ? 1.0 : 1.0 + rv / speed_of_light;
    const double* wavelength = spectra.wavelength + (spectra.one_wavelength ? 0 : i * n);
    const std::int32_t* arm = spectra.arm ? spectra.arm + (spectra.one_arm ? 0 : i * n) : nullptr;
    if (!placed_at(wavelength, arm, n) || doppler_ != doppler) {
        n_ = n;
        arm_.assign(n, 0);
        if (arm)
            std::copy_n(arm, n, arm_.begin());
        n_arms_ = n > 0 ? static_cast<std::size_t>(*std::max_element(arm_.begin(), arm_.end())) + 1 : 1;
        place_pixels(wavelength, doppler);
        find_runs();
        doppler_ = doppler;
    }
    raw_flux_.resize(n);
    raw_ivar_.resize(n);
    const double *flux = spectra.flux + i * n, *ivar = spectra.ivar + i * n;
    const bool* mask = spectra.mask ? spectra.mask + i * n : nullptr;
    for (std::size_t p = 0; p < n; ++p) {
        const bool good = std::isfinite(flux[p]) && ivar[p] > 0.0 && std::isfinite(ivar[p]) &&
                          !(mask && mask[p]) && place_[p] < far_away;
        raw_flux_[p] = good ? flux[p] : 0.0;
        raw_ivar_[p] = good ? ivar[p] : 0.0;
    }
    sigma_.assign(n, std::numeric_limits<double>::quiet_NaN());
    n_neighbours_ = 0;
    if (spectra.resolution) {
        const std::size_t d = spectra.n_neighbours;
        const double* rows = spectra.resolution + i * n * d;
        if (std::any_of(rows, rows + n * d, [](double value) { return std::isfinite(value); }))
            read_matrix(rows, d);
    }
    if (spectra.sigma && n_neighbours_ == 0) {
        const double* sigma = spectra.sigma + (spectra.one_sigma ? 0 : i * n);
        for (std::size_t p = 0; p < n; ++p)
            sigma_[p] = sigma[p] / doppler / grid_.width(wavelength_[p] / doppler);
    }
}

// Whether the last spectrum had the same wavelengths and arms, as neighbours of a survey do.
bool Pixels::placed_at(const double* wavelength, const std::int32_t* arm, std::size_t n) const {
    return n == n_ && std::memcmp(wavelength_.data(), wavelength, n * sizeof *wavelength) == 0 &&
           (arm ? std::equal(arm, arm + n, arm_.begin()) : n_arms_ == 1);
}

// Edges lie half-way to the neighbours of the same arm: one number for both, so that they share it.
void Pixels::place_pixels(const double* wavelength, double doppler) {
    constexpr double none = std::numeric_limits<double>::quiet_NaN();
    wavelength_.assign(wavelength, wavelength + n_);
    low_.resize(n_);
    high_.resize(n_);
    place_.resize(n_);
    const auto step_after = [&](std::size_t p) { // to the next pixel
        return p + 1 < n_ && arm_[p] == arm_[p + 1] && wavelength[p + 1] > wavelength[p]
                   ? wavelength[p + 1] - wavelength[p]
                   : none;
    };
    double left = none, shared = none; // the edge that the last pixel had on its right
    for (std::size_t p = 0; p < n_; ++p) {
        const double right = step_after(p);
        if (!(wavelength[p] > 0.0)) {
            low_[p] = far_away + static_cast<double>(p);
            high_[p] = low_[p] + 1.0;
            place_[p] = low_[p] + 0.5;
            left = shared = none;
            continue;
        }
        const bool far_left = left > gap * right, far_right = right > gap * left;
        const double near_left = far_left ? none : left, near_right = far_right ? none : right;
        const double half_left = std::isfinite(near_left)    ? near_left
                                 : std::isfinite(near_right) ? near_right
                                                             : 1.0;
        const double half_right = std::isfinite(near_right)  ? near_right
                                  : std::isfinite(near_left) ? near_left
                                                             : 1.0;
        const double centre = wavelength[p];
        const double upper =
            (std::isfinite(near_right) ? 0.5 * (centre + wavelength[p + 1]) : centre + 0.5 * half_right) /
            doppler;
        low_[p] = std::isfinite(near_left) && std::isfinite(shared)
                      ? shared
                      : grid_.position((std::isfinite(near_left) ? 0.5 * (wavelength[p - 1] + centre)
                                                                 : centre - 0.5 * half_left) /
                                       doppler);
        high_[p] = grid_.position(upper);
        place_[p] = 0.5 * (low_[p] + high_[p]);
        shared = std::isfinite(near_right) ? high_[p] : none;
        left = right;
    }
}

void Pixels::find_runs() {
    runs_.assign(1, 0);
    for (std::size_t p = 1; p < n_; ++p)
        if (arm_[p] != arm_[p - 1] || !(place_[p] > place_[p - 1]))
            runs_.push_back(p);
    runs_.push_back(n_);
}

// Rows of a resolution matrix, without missing pixels, and the sigma of their profiles. A row that lacks
// a significant part of its sum is not used.
void Pixels::read_matrix(const double* rows, std::size_t n_neighbours) {
    n_neighbours_ = n_neighbours;
    resolution_.assign(n_ * n_neighbours, 0.0);
    narrowing_.assign(n_, 0.0);
    const std::size_t side = n_neighbours / 2;
    for (std::size_t p = 0; p < n_; ++p) {
        double all = 0.0, sum = 0.0, first = 0.0, second = 0.0;
        for (std::size_t d = 0; d < n_neighbours; ++d) {
            const double seen = rows[p * n_neighbours + d];
            all += seen; // NaN stays
            if (!std::isfinite(seen) || p + d < side || p + d - side >= n_)
                continue;
            const std::size_t q = p + d - side;
            if (arm_[q] != arm_[p] || place_[q] >= far_away)
                continue;
            const double distance = place_[q] - place_[p];
            resolution_[p * n_neighbours + d] = seen;
            sum += seen;
            first += seen * distance;
            second += seen * distance * distance;
        }
        if (!(std::abs(all - sum) < whole_row))
            raw_flux_[p] = raw_ivar_[p] = 0.0;
        if (sum > 0.0)
            sigma_[p] = std::sqrt(std::max(0.0, second / sum - first / sum * (first / sum)));
    }
}

// variance = sigma^2 - own sigma^2, both in pixels of the grid. The profile of a matrix row is kept, and
// narrowed until the variances add up: what takes the emulator to the matrix is not known.
void Pixels::set_blur(double shift) {
    variance_.resize(n_);
    own_.resize(n_);
    for (std::size_t p = 0; p < n_; ++p) {
        const double own = grid_.own_sigma(place_[p] - shift), sigma = sigma_[p];
        const double lacking = sigma * sigma - own * own;
        own_[p] = own;
        variance_[p] = lacking > 0.0 ? lacking : 0.0; // and where either is not known
        if (n_neighbours_ > 0)
            narrowing_[p] = lacking > 0.0 ? std::sqrt(std::min(1.0, lacking / (sigma * sigma))) : 0.0;
    }
}

void Pixels::see_at(double shift) {
    set_blur(shift);
    std::size_t n_sharp = 0, n_used = 0;
    bool blur = false;
    for (std::size_t p = 0; p < n_; ++p) {
        n_used += raw_ivar_[p] > 0.0;
        const bool sharper = std::isfinite(own_[p]) && sigma_[p] < sharp * own_[p] && raw_ivar_[p] > 0.0;
        n_sharp += sharper;
        blur = blur || sharper;
    }
    sharper_ =
        n_sharp > 0 && static_cast<double>(n_sharp) >= std::max(1.0, 0.1 * static_cast<double>(n_used));
    flux_ = raw_flux_;
    ivar_ = raw_ivar_;
    if (blur)
        blur_to_emulator();
}

// d_p -> sum_q K_pq d_q / sum_q K_pq over the pixels in use, 1 / ivar the same, K a Gaussian of the variance
// that the data lack. Neighbours then share their noise; with the variance of a pixel averaged, not reduced,
// the formal errors of what varies slowly over K stay right (J'W C W J = J'W J, C the covariance of d).
void Pixels::blur_to_emulator() {
    constexpr double reach = 4.0, least = 0.6; // sigma; in pixels of the spectrum: narrower, three numbers
    for (std::size_t r = 0; r + 1 < runs_.size(); ++r)
        for (std::size_t p = runs_[r]; p < runs_[r + 1]; ++p) {
            const double lacking = own_[p] * own_[p] - sigma_[p] * sigma_[p];
            if (!(lacking > 0.0) || !std::isfinite(lacking) || raw_ivar_[p] <= 0.0)
                continue;
            const double width = high_[p] - low_[p];
            const bool narrow = lacking < least * least * width * width;
            const double most = narrow ? 1.5 * width : reach * std::sqrt(lacking);
            double sum = 0.0, flux = 0.0, noise = 0.0, whole = 0.0;
            const auto add = [&](std::size_t q) {
                const double away = place_[q] - place_[p], part = lacking / (width * width);
                const double k =
                    narrow ? (q == p ? 1.0 - part : 0.5 * part) : std::exp(-0.5 * away * away / lacking);
                whole += k;
                if (raw_ivar_[q] > 0.0) {
                    sum += k;
                    flux += k * raw_flux_[q];
                    noise += k / raw_ivar_[q];
                }
            };
            for (std::size_t q = p; q-- > runs_[r] && place_[p] - place_[q] < most;)
                add(q);
            for (std::size_t q = p; q < runs_[r + 1] && place_[q] - place_[p] < most; ++q)
                add(q);
            const bool enough = sum > 0.5 * whole; // else it would be another pixel's flux
            flux_[p] = enough ? flux / sum : 0.0;
            ivar_[p] = enough ? sum / noise : 0.0;
        }
}

ObservedPixels Pixels::observed(std::size_t first, std::size_t n) const {
    ObservedPixels pixels;
    pixels.n = n;
    pixels.low = low_.data() + first;
    pixels.high = high_.data() + first;
    pixels.arm = arm_.data() + first;
    if (n_neighbours_ == 0) {
        pixels.variance = variance_.data() + first;
        return pixels;
    }
    pixels.n_neighbours = n_neighbours_;
    pixels.resolution = resolution_.data() + first * n_neighbours_;
    pixels.narrowing = narrowing_.data() + first;
    return pixels;
}

bool Pixels::covered(std::size_t p, double shift) const {
    constexpr double rounding = 1e-3; // edges are half-way in wavelength, on a grid even in its logarithm too
    const double aside = n_neighbours_ > 0 ? 0.0 : margin * std::sqrt(variance_[p]);
    return low_[p] - shift - aside >= -0.5 - rounding &&
           high_[p] - shift + aside <= static_cast<double>(grid_.size()) - 0.5 + rounding;
}

bool Pixels::on_emulator(std::size_t p, double shift) const {
    const std::size_t side = n_neighbours_ / 2;
    for (std::size_t d = 0; d < n_neighbours_; ++d)
        if (resolution_[p * n_neighbours_ + d] != 0.0 && !covered(p + d - side, shift))
            return false;
    return covered(p, shift);
}

} // namespace maury

#include "maury/wavelength_grid.hpp"

#include "emulator_checks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace maury {
namespace {

constexpr double ln10 = 2.302585092994045684;

} // namespace

WavelengthGrid::WavelengthGrid(std::vector<double> wavelength, const std::vector<double>& sigma,
                               std::vector<double> scatter, std::size_t window)
    : wavelength_(std::move(wavelength)), scatter_(std::move(scatter)), window_(static_cast<double>(window)) {
    const std::size_t n = size();
    require(n > 1, "wavelength: at least two pixels are needed, got " + std::to_string(n));
    require(window > 0, "window: at least one pixel is needed");
    require(sigma.empty() || sigma.size() == n, "lsf: expected one value per pixel");
    require(scatter_.empty() || scatter_.size() == n, "scatter: expected one value per pixel");
    for (std::size_t i = 0; i < n; ++i)
        require(std::isfinite(wavelength_[i]) && wavelength_[i] > (i > 0 ? wavelength_[i - 1] : 0.0),
                "wavelength: expected finite values above 0 that increase");
    for (const double value : wavelength_)
        log_wavelength_.push_back(std::log10(value));
    start_ = log_wavelength_.front();
    const double step = (log_wavelength_.back() - start_) / static_cast<double>(n - 1);
    step_ = step;
    for (std::size_t i = 0; i < n; ++i)
        if (std::abs(log_wavelength_[i] - (start_ + step * static_cast<double>(i))) > 1e-10)
            step_ = 0.0;
    for (std::size_t i = 0; i < n; ++i) { // central differences
        const std::size_t before = i > 0 ? i - 1 : 0, after = std::min(i + 1, n - 1);
        width_.push_back((wavelength_[after] - wavelength_[before]) / static_cast<double>(after - before));
    }
    for (std::size_t i = 0; i < sigma.size(); ++i)
        sigma_.push_back(sigma[i] / width(wavelength_[i]));
}

double WavelengthGrid::position(double wavelength) const {
    const double x = std::log10(wavelength);
    if (even())
        return (x - start_) / step_;
    const auto& grid = log_wavelength_;
    const std::size_t last = grid.size() - 1;
    std::size_t left = static_cast<std::size_t>(std::upper_bound(grid.begin(), grid.end(), x) - grid.begin());
    left = std::min(left > 0 ? left - 1 : 0, last - 1);
    return static_cast<double>(left) + (x - grid[left]) / (grid[left + 1] - grid[left]);
}

double WavelengthGrid::width(double wavelength) const {
    if (even())
        return wavelength * ln10 * step_;
    const auto after = std::upper_bound(wavelength_.begin(), wavelength_.end(), wavelength);
    if (after == wavelength_.begin() || after == wavelength_.end())
        return after == wavelength_.begin() ? width_.front() : width_.back();
    const auto i = static_cast<std::size_t>(after - wavelength_.begin());
    const double part = (wavelength - wavelength_[i - 1]) / (wavelength_[i] - wavelength_[i - 1]);
    return width_[i - 1] + part * (width_[i] - width_[i - 1]);
}

double WavelengthGrid::interpolate(const std::vector<double>& values, double position) const {
    const double u = std::clamp(position, 0.0, static_cast<double>(size() - 1));
    const auto left = static_cast<std::size_t>(u);
    const double part = u - static_cast<double>(left);
    return part == 0.0 ? values[left] : (1.0 - part) * values[left] + part * values[left + 1];
}

double WavelengthGrid::own_sigma(double position) const {
    return sigma_.empty() ? std::numeric_limits<double>::infinity() : interpolate(sigma_, position);
}

double WavelengthGrid::scatter(double position) const {
    return scatter_.empty() ? 0.0 : interpolate(scatter_, position);
}

double WavelengthGrid::to_shift(double rv) const { return std::log10(1.0 + rv / speed_of_light) / step_; }

double WavelengthGrid::to_rv(double shift) const {
    return speed_of_light * (std::pow(10.0, shift * step_) - 1.0);
}

double WavelengthGrid::pixel_velocity() const { return speed_of_light * ln10 * step_; }

} // namespace maury

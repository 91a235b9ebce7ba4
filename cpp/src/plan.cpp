#include "candidates.hpp"
#include "emulator_checks.hpp"
#include "gram_stretches.hpp"
#include "maury/measure.hpp"
#include "residual_modes.hpp"

#include <cmath>
#include <string>

namespace maury {

Plan::Plan(const Emulator& emulator, WavelengthGrid grid, std::vector<double> lower,
           std::vector<double> upper, const std::vector<double>& candidates,
           const std::vector<double>& templates, int threads, const std::function<void(std::size_t)>& wake,
           const std::vector<double>& modes)
    : emulator_(emulator), grid_(std::move(grid)), lower_(std::move(lower)), upper_(std::move(upper)),
      lower_scaled_(emulator.n_labels()), upper_scaled_(emulator.n_labels()) {
    const std::size_t n = emulator.n_labels(), n_pixels = emulator.n_pixels();
    require(grid_.size() == n_pixels, "wavelength: expected one per pixel of the emulator, " +
                                          std::to_string(n_pixels) + ", got " + std::to_string(grid_.size()));
    require(lower_.size() == n && upper_.size() == n,
            "lower, upper: expected one value per label, " + std::to_string(n));
    require(candidates.size() % n == 0 && templates.size() % n == 0,
            "candidates, templates: expected rows of " + std::to_string(n) + " labels");
    require(modes.size() % n_pixels == 0, "modes: expected a value per pixel of the emulator for each");
    if (!modes.empty())
        modes_ = std::make_unique<const GridModes>(modes, n_pixels);
    emulator.to_scaled(lower_.data(), lower_scaled_.data());
    emulator.to_scaled(upper_.data(), upper_scaled_.data());
    for (std::size_t l = 0; l < n; ++l)
        require(std::isfinite(lower_scaled_[l]) && std::isfinite(upper_scaled_[l]) &&
                    lower_scaled_[l] <= upper_scaled_[l],
                "lower, upper: label " + std::to_string(l) +
                    " needs finite lower <= upper, both positive for a log10 transform");
    std::vector<double> x(n), inside, flux(n_pixels);
    for (std::size_t m = 0; m < candidates.size(); m += n) {
        emulator.to_scaled(&candidates[m], x.data());
        bool good = true;
        for (std::size_t l = 0; l < n; ++l)
            good = good && x[l] >= lower_scaled_[l] && x[l] <= upper_scaled_[l];
        if (good)
            inside.insert(inside.end(), x.begin(), x.end());
    }
    if (!inside.empty())
        candidates_ = std::make_unique<const Candidates>(emulator, inside, threads, wake);
    stretches_ = std::make_unique<const GramStretches>(emulator);
    Emulator::Workspace work(emulator);
    for (std::size_t t = 0; t < templates.size(); t += n) {
        emulator.flux(&templates[t], work, flux.data());
        for (const double f : flux)
            templates_.push_back(static_cast<float>(f));
    }
}

Plan::~Plan() = default;

} // namespace maury

#include "quality.hpp"

#include "maury/wavelength_grid.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <string>

namespace maury {
namespace {

// Of the flags: see their meaning in codes.h.
constexpr double max_rchi2_noise = 100.0; // such fits are rejected in the paper, sec. 4.2
constexpr double max_rchi2 = 10.0;  // with the scatter; exceeded by 1.4 % of MILES stars without another flag
constexpr double min_snr = 15.0;    // limit of the "good visits" of the paper, sec. 2.2
constexpr double min_pixels = 0.25; // of the emulator's
constexpr double max_bad = 0.2;     // of the spectrum's pixels within the emulator's range
constexpr double max_outliers = 0.015; // of the pixels; exceeded by 2.0 % of MILES stars without another flag
constexpr double min_agreement = 0.5;  // of the starts that were followed
constexpr double max_unexplained = 0.7; // of the rms of the features; 0.4 % of LAMOST DR10 stars have more
constexpr double max_unexplained_and = 0.4; // the same with EMISSION, AT_BOUND or OUTSIDE_TRAINING
constexpr double limit = 0.999;             // of the largest velocity
constexpr double infinite = std::numeric_limits<double>::infinity();

struct Limits {
    const char* label;
    double low, high;
};

// A box in the space of labels, including its edges; for models with all of its labels and one of `needs`.
// The paper names the regions; where it gives no limits (the gap, the tip of the giant branch) they are ours.
struct Caution {
    std::uint32_t bit;
    std::array<Limits, 3> limits; // null: none
    std::array<const char*, 2> needs;
};

constexpr std::array<Caution, 4> cautions = {{
    {flag::CAUTION_GAP,
     {{{"teff", 9000.0, 11000.0}, {"logg", 3.5, infinite}, {nullptr, 0.0, 0.0}}},
     {"teff", nullptr}},
    {flag::CAUTION_COOL_DWARF,
     {{{"teff", 0.0, 3750.0}, {"logg", 4.0, infinite}, {nullptr, 0.0, 0.0}}},
     {"logg", nullptr}},
    {flag::CAUTION_HOT,
     {{{"teff", 10000.0, infinite}, {nullptr, 0.0, 0.0}, {nullptr, 0.0, 0.0}}},
     {"fe_h", "alpha_fe"}},
    {flag::CAUTION_TIP,
     {{{"teff", 0.0, 4000.0}, {"logg", -infinite, 1.5}, {"fe_h", 0.0, infinite}}},
     {"fe_h", nullptr}},
}};

bool is_in(const Caution& caution, const std::vector<double>& labels, const std::vector<std::string>& names) {
    const auto place = [&](const char* name) {
        return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
    };
    if (!std::any_of(caution.needs.begin(), caution.needs.end(),
                     [&](const char* name) { return name && place(name) < names.size(); }))
        return false;
    return std::all_of(caution.limits.begin(), caution.limits.end(), [&](const Limits& limits) {
        if (!limits.label)
            return true;
        const std::size_t l = place(limits.label);
        return l < names.size() && labels[l] >= limits.low && labels[l] <= limits.high;
    });
}

} // namespace

std::uint32_t cautions_of(const std::vector<double>& labels, const std::vector<std::string>& names) {
    std::uint32_t flags = 0;
    for (const Caution& caution : cautions)
        flags |= is_in(caution, labels, names) ? caution.bit : 0;
    return flags;
}

std::uint32_t flags_of(const Result& r, const ResidualSigns& residuals, const Signs& signs,
                       const ModelParts& parts, double max_rv) {
    if (!r.problem.empty())
        return flag::UNREADABLE | flag::NOT_CONVERGED;
    std::uint32_t flags = 0;
    const auto set = [&](std::uint32_t bit, bool here) { flags |= here ? bit : 0; };
    const bool fitted = std::isfinite(r.rv_err);
    bool outside = r.training_distance > 1.0;
    for (std::size_t l = 0; l < r.labels.size(); ++l)
        outside = outside || r.labels[l] < parts.training_min[l] || r.labels[l] > parts.training_max[l];
    set(flag::NOT_CONVERGED, !r.converged);
    set(flag::AT_BOUND, signs.at_bound);
    set(flag::OUTSIDE_TRAINING, outside);
    set(flag::TOO_FEW_PIXELS, r.n_pixels < min_pixels * static_cast<double>(parts.wavelength.size()));
    set(flag::BAD_CHI2, r.rchi2_noise > max_rchi2_noise);
    set(flag::HIGH_RCHI2, r.rchi2 > max_rchi2);
    set(flag::BAD_PIXELS, signs.bad_fraction > max_bad);
    set(flag::OUTLIERS, r.n_clipped > max_outliers * (r.n_pixels + r.n_clipped));
    set(flag::STARTS_DISAGREE, r.n_agree < min_agreement * r.n_starts);
    set(flag::EMISSION, residuals.emission);
    set(flag::MISFIT, residuals.misfit);
    set(flag::LOW_SNR, r.snr < min_snr);
    set(flag::RV_UNKNOWN, std::isnan(signs.spectrum_rv) && !fitted);
    // Shifts have the same limit to the blue and to the red; in velocity the blue limit is smaller.
    set(flag::RV_AT_LIMIT,
        fitted && std::abs(std::log1p(r.rv / speed_of_light)) >= limit * std::log1p(max_rv / speed_of_light));
    set(flag::SHARPER, signs.sharper);
    set(flag::RESOLUTION_UNKNOWN, signs.resolution_unknown);
    set(flag::REJECTED, signs.rejected);
    flags |= cautions_of(r.labels, parts.labels);
    const bool extrapolated = flags & (flag::AT_BOUND | flag::OUTSIDE_TRAINING), emits = residuals.emission;
    const double most = extrapolated || emits ? max_unexplained_and : max_unexplained;
    set(flag::UNLIKE_STARS, residuals.unexplained > most || (extrapolated && emits));
    return flags;
}

} // namespace maury

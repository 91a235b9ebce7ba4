#include "model_checks.hpp"

#include "emulator_checks.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <string>
#include <vector>

namespace maury {
namespace {

constexpr std::size_t longest_name = 40; // with its ending, a column name fits into one card of FITS
constexpr std::size_t most_modes = 64;
constexpr double bluest = 10.0, reddest = 1e9;  // Angstrom: from X-rays to radio waves
constexpr double finest = 1e-9, coarsest = 1.0; // step of ln wavelength
constexpr double float16_rounding = 1.0 + 1.0 / 512.0;

std::string lower_case(std::string text) {
    for (char& c : text)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

bool ends_with(const std::string& text, const std::string& end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool is_name(const std::string& text) {
    return !text.empty() && text.size() <= longest_name && text.front() != ' ' && text.back() != ' ' &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~' && c != ','; });
}

void check_labels(const ModelParts& parts) {
    require(!parts.labels.empty(), "labels: at least one is needed, got none");
    std::vector<std::string> seen;
    for (const std::string& label : parts.labels) {
        require(is_name(label), "labels: a name cannot be that of a column; use up to 40 printable ASCII "
                                "characters without a comma");
        const std::string name = lower_case(label);
        const auto& taken = reserved_names();
        require(std::find(taken.begin(), taken.end(), name) == taken.end() && !ends_with(name, "_err") &&
                    !ends_with(name, "_err_formal") && !ends_with(name, "_err_model"),
                "labels: '" + label + "' is the name of another column of the catalogue");
        require(std::find(seen.begin(), seen.end(), name) == seen.end(),
                "labels: '" + label + "' occurs twice (upper and lower case are equivalent)");
        seen.push_back(name);
    }
}

void check_range(const ModelParts& parts, const std::string& name, const std::vector<double>& low,
                 const std::vector<double>& high, bool strict) {
    check_numbers(name, low, parts.labels.size());
    check_numbers(name, high, parts.labels.size());
    for (std::size_t l = 0; l < low.size(); ++l) {
        require(low[l] < high[l] || (!strict && low[l] == high[l]),
                name + ": the lower value of '" + parts.labels[l] + "' must be below the upper, got " +
                    std::to_string(low[l]) + ", " + std::to_string(high[l]));
        require(parts.transforms[l] != "log10" || low[l] > 0.0,
                name + ": '" + parts.labels[l] + "' is scaled by log10, so its lower value must be above 0");
    }
}

void check_wavelength(const std::vector<double>& wavelength, std::size_t n_pixels) {
    require(wavelength.size() == n_pixels, "wavelength: " + std::to_string(wavelength.size()) +
                                               " values, but the last layer gives " +
                                               std::to_string(n_pixels) + " pixels");
    check_numbers("wavelength", wavelength, n_pixels);
    for (std::size_t p = 0; p < n_pixels; ++p)
        require(wavelength[p] > (p > 0 ? wavelength[p - 1] : 0.0),
                "wavelength: must be positive and increase from pixel to pixel, but pixel " +
                    std::to_string(p) + " is " + std::to_string(wavelength[p]) + " Angstrom");
    require(wavelength.front() >= bluest && wavelength.back() <= reddest,
            "wavelength: expected 10 to 1e+09 Angstrom");
    for (std::size_t p = 1; p < n_pixels; ++p) {
        const double step = std::log(wavelength[p]) - std::log(wavelength[p - 1]);
        require(step > finest && step < coarsest,
                "wavelength: expected steps of 1e-09 to 1 of the wavelength, got " + std::to_string(step));
    }
}

void check_per_pixel(const std::string& name, const std::vector<double>& values, std::size_t n_pixels,
                     bool zero_allowed) {
    check_numbers(name, values, n_pixels);
    for (std::size_t p = 0; p < n_pixels; ++p)
        require(values[p] > 0.0 || (zero_allowed && values[p] == 0.0),
                name + ": must be " + (zero_allowed ? "0 or more" : "above 0") + " in every pixel, got " +
                    std::to_string(values[p]) + " in pixel " + std::to_string(p));
}

void check_modes(const std::vector<double>& modes, const std::vector<double>& scatter) {
    const std::size_t n_pixels = scatter.size(), n = modes.size() / n_pixels;
    require(modes.size() % n_pixels == 0 && n <= most_modes,
            "modes: expected a value per pixel for at most " + std::to_string(most_modes));
    for (std::size_t p = 0; p < n_pixels; ++p) {
        double square = 0.0;
        for (std::size_t m = 0; m < n; ++m)
            square += modes[p * n + m] * modes[p * n + m];
        require(square <= float16_rounding * scatter[p] * scatter[p],
                "modes: their rms in pixel " + std::to_string(p) +
                    " exceeds the scatter, of which they are a part");
    }
}

} // namespace

const std::vector<std::string>& reserved_names() {
    static const std::vector<std::string> names = {"star_id",
                                                   "visit_id",
                                                   "file",
                                                   "format",
                                                   "ra",
                                                   "dec",
                                                   "chi2",
                                                   "chi2_prior",
                                                   "fitted_labels",
                                                   "rchi2",
                                                   "rchi2_noise",
                                                   "n_pixels",
                                                   "n_clipped",
                                                   "snr",
                                                   "mjdqual",
                                                   "rv",
                                                   "rv_err",
                                                   "rv_err_formal",
                                                   "arm_rv",
                                                   "broadening",
                                                   "broadening_err",
                                                   "converged",
                                                   "status",
                                                   "flags",
                                                   "valid",
                                                   "training_distance",
                                                   "start",
                                                   "n_starts",
                                                   "n_agree",
                                                   "problem",
                                                   "covariance",
                                                   "covariance_formal"};
    return names;
}

ModelParts checked_parts(ModelParts parts) {
    check_labels(parts);
    const std::size_t n_labels = parts.labels.size();
    if (parts.units.empty())
        parts.units.resize(n_labels);
    require(parts.units.size() == n_labels, "units: expected one per label");
    for (const std::string& unit : parts.units)
        require(unit.empty() || is_name(unit), "units: expected up to 40 ASCII characters");
    if (parts.transforms.empty())
        parts.transforms.assign(n_labels, "linear");
    require(parts.transforms.size() == n_labels, "transforms: expected one per label");
    for (const std::string& transform : parts.transforms)
        require(transform == "linear" || transform == "log10",
                "transforms: '" + transform + "' is unknown; use linear or log10");
    check_range(parts, "label_min, label_max", parts.label_min, parts.label_max, true);
    check_layers(parts.layers, n_labels);
    for (const Layer& layer : parts.layers)
        for (const auto* values : {&layer.weight, &layer.bias})
            require(std::all_of(values->begin(), values->end(),
                                [](double v) { return std::isfinite(static_cast<float>(v)); }),
                    "weights, biases: values exceed the range of float32");
    const std::size_t n_pixels = parts.layers.back().n_out;
    require(parts.training_labels.size() % n_labels == 0, "training_labels: expected rows of labels");
    check_numbers("training_labels", parts.training_labels, parts.training_labels.size());
    if (parts.training_min.empty() && parts.training_max.empty()) {
        parts.training_min = parts.label_min;
        parts.training_max = parts.label_max;
        for (std::size_t i = 0; i < parts.training_labels.size(); ++i) {
            const std::size_t l = i % n_labels;
            const double value = parts.training_labels[i];
            parts.training_min[l] = i < n_labels ? value : std::min(parts.training_min[l], value);
            parts.training_max[l] = i < n_labels ? value : std::max(parts.training_max[l], value);
        }
    }
    check_range(parts, "training_range", parts.training_min, parts.training_max, false);
    if (parts.lower.empty() && parts.upper.empty()) {
        parts.lower = parts.label_min;
        parts.upper = parts.label_max;
    }
    check_range(parts, "bounds", parts.lower, parts.upper, true);
    check_wavelength(parts.wavelength, n_pixels);
    if (!parts.lsf.empty())
        check_per_pixel("lsf", parts.lsf, n_pixels, false);
    if (parts.scatter.empty())
        parts.scatter.assign(n_pixels, 0.0);
    check_per_pixel("scatter", parts.scatter, n_pixels, true);
    check_numbers("modes", parts.modes, parts.modes.size());
    check_modes(parts.modes, parts.scatter);
    require(parts.window >= 1, "window: expected a whole number of pixels, 1 or more");
    return parts;
}

} // namespace maury

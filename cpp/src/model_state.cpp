#include "model_state.hpp"

#include "low_rank.hpp"
#include "model_checks.hpp"
#include "starts.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace maury {
namespace {

std::size_t different_rows(const std::vector<double>& values, std::size_t n_columns) {
    std::set<std::vector<double>> rows;
    for (auto at = values.begin(); at != values.end(); at += static_cast<std::ptrdiff_t>(n_columns))
        rows.emplace(at, at + static_cast<std::ptrdiff_t>(n_columns));
    return rows.size();
}

std::optional<ModelErrors> errors_of(const ModelParts& parts) {
    if (!parts.error)
        return std::nullopt;
    return ModelErrors(*parts.error, parts.labels,
                       different_rows(parts.training_labels, parts.labels.size()));
}

// rms that the residual modes leave of the scatter
std::vector<double> rest_of_scatter(const ModelParts& parts) {
    std::vector<double> rest = parts.scatter;
    const std::size_t n_modes = parts.modes.size() / rest.size();
    for (std::size_t p = 0; n_modes > 0 && p < rest.size(); ++p) {
        double square = 0.0;
        for (std::size_t m = 0; m < n_modes; ++m)
            square += parts.modes[p * n_modes + m] * parts.modes[p * n_modes + m];
        rest[p] = std::sqrt(std::max(rest[p] * rest[p] - square, 0.0));
    }
    return rest;
}

} // namespace

ModelState::ModelState(ModelParts given)
    : parts(checked_parts(std::move(given))), emulator(compiled(parts)), distance(parts),
      errors(errors_of(parts)) {}

std::shared_ptr<const Plan> ModelState::plan(const std::vector<double>& lower,
                                             const std::vector<double>& upper, bool velocity) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!plan_ || plan_->lower() != lower || plan_->upper() != upper || with_velocity_ < velocity) {
        plan_ = std::make_shared<const Plan>(
            *emulator, WavelengthGrid(parts.wavelength, parts.lsf, rest_of_scatter(parts), parts.window),
            lower, upper, candidate_labels(parts, lower, upper),
            velocity ? template_labels(parts) : std::vector<double>(), 0, [](std::size_t) {}, parts.modes);
        with_velocity_ = velocity;
    }
    return plan_;
}

void ModelState::error_at(const double* labels, double* sigma) const {
    const std::size_t n = parts.labels.size();
    bool usable = errors.has_value();
    for (std::size_t l = 0; l < n; ++l)
        usable = usable && std::isfinite(labels[l]) && (labels[l] > 0.0 || parts.transforms[l] != "log10");
    if (usable)
        errors->predict(labels, distance(labels), sigma);
    else
        std::fill_n(sigma, n, std::numeric_limits<double>::quiet_NaN());
}

} // namespace maury

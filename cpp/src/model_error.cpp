#include "model_error.hpp"

#include "emulator_checks.hpp"
#include "training_distance.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

namespace maury {
namespace {

constexpr double largest = 50.0; // of |ln sigma|
constexpr double tiny = 1e-9;

// Whether a symmetric matrix (n, n) has no eigenvalue below -tiny: whether one that much larger can be
// factorised.
bool semidefinite(std::vector<double> a, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i)
        a[i * n + i] += 2.0 * tiny;
    for (std::size_t j = 0; j < n; ++j) {
        if (!(a[j * n + j] > 0.0))
            return false;
        for (std::size_t i = j + 1; i < n; ++i) {
            const double factor = a[i * n + j] / a[j * n + j];
            for (std::size_t k = j; k < n; ++k)
                a[i * n + k] -= factor * a[j * n + k];
        }
    }
    return true;
}

} // namespace

ModelErrors::ModelErrors(const ModelError& error, const std::vector<std::string>& labels, std::size_t n_stars)
    : error_(error), n_labels_(labels.size()) {
    const std::size_t n_variables = error.variables.size(), n_terms = error.terms.size();
    for (std::size_t i = 0; i < n_variables; ++i) {
        const std::string& name = error.variables[i];
        const auto found = std::find(labels.begin(), labels.end(), name);
        require(found != labels.end() || name == "distance",
                "variables: expected names of labels or distance, got " + name);
        require(std::count(error.variables.begin(), error.variables.end(), name) == 1,
                "variables: " + name + " occurs twice");
        require(name != "distance" || n_stars > TrainingDistance::neighbour,
                "error_on_unseen: it depends on the distance to training stars, and training_labels has " +
                    std::to_string(n_stars) + " different sets; pass the labels of all training stars");
        of_label_.push_back(static_cast<std::size_t>(found - labels.begin()));
    }
    require(error.log10.size() == n_variables,
            "log10: expected " + std::to_string(n_variables) + " times true or false");
    check_numbers("centre", error.centre, n_variables);
    check_numbers("scale", error.scale, n_variables);
    check_numbers("low", error.low, n_variables);
    check_numbers("high", error.high, n_variables);
    check_numbers("coefficients", error.coefficients, n_terms * n_labels_);
    check_numbers("ln_sigma_range", error.least, n_labels_);
    check_numbers("ln_sigma_range", error.most, n_labels_);
    check_numbers("correlation", error.correlation, n_labels_ * n_labels_);
    for (std::size_t i = 0; i < n_variables; ++i) {
        require(error.scale[i] > 0.0, "scale: expected positive numbers");
        require(error.low[i] <= error.high[i],
                "low, high, ln_sigma_range: a lower limit exceeds its upper limit");
    }
    for (std::size_t l = 0; l < n_labels_; ++l) {
        require(error.least[l] <= error.most[l],
                "low, high, ln_sigma_range: a lower limit exceeds its upper limit");
        require(std::abs(error.least[l]) <= largest && std::abs(error.most[l]) <= largest,
                "ln_sigma_range: expected numbers from -50 to 50");
        for (std::size_t k = 0; k < n_labels_; ++k)
            require(error.correlation[l * n_labels_ + k] == error.correlation[k * n_labels_ + l] &&
                        error.correlation[l * n_labels_ + l] == 1.0,
                    "correlation: expected a symmetric matrix with a diagonal of 1");
    }
    require(semidefinite(error.correlation, n_labels_),
            "correlation: expected a positive semidefinite matrix, got a negative eigenvalue");
    for (const std::string& term : error.terms)
        terms_.push_back(term_of(term));
}

ModelErrors::Term ModelErrors::term_of(const std::string& text) const {
    const auto variable = [&](const std::string& name) {
        const auto found = std::find(error_.variables.begin(), error_.variables.end(), name);
        require(found != error_.variables.end(), "terms: '" + text + "' does not consist of the variables");
        return static_cast<std::size_t>(found - error_.variables.begin());
    };
    Term term;
    const std::size_t bend = text.find('>');
    if (bend != std::string::npos) {
        const std::string number = text.substr(bend + 1);
        char* end = nullptr;
        const double at = std::strtod(number.c_str(), &end);
        const std::size_t i = variable(text.substr(0, bend));
        require(!number.empty() && end == number.c_str() + number.size() && std::isfinite(at) &&
                    (!error_.log10[i] || at > 0.0),
                "terms: '" + text + "' has no valid number after the >");
        term.factors = {i};
        term.bent = true;
        term.knot = error_.log10[i] ? std::log10(at) : at;
    } else if (text != "1") {
        std::size_t from = 0;
        for (std::size_t star; (star = text.find('*', from)) != std::string::npos; from = star + 1)
            term.factors.push_back(variable(text.substr(from, star - from)));
        term.factors.push_back(variable(text.substr(from)));
    }
    return term;
}

void ModelErrors::predict(const double* labels, double distance, double* sigma) const {
    const std::size_t n_variables = of_label_.size();
    std::vector<double> v(n_variables), z(n_variables), total(n_labels_, 0.0);
    for (std::size_t i = 0; i < n_variables; ++i) {
        double value = of_label_[i] < n_labels_ ? labels[of_label_[i]] : distance;
        value = error_.log10[i] ? std::log10(value) : value;
        v[i] = std::isinf(value) ? std::numeric_limits<double>::quiet_NaN()
                                 : std::clamp(value, error_.low[i], error_.high[i]); // keeps NaN
        z[i] = (v[i] - error_.centre[i]) / error_.scale[i];
    }
    for (std::size_t t = 0; t < terms_.size(); ++t) {
        const Term& term = terms_[t];
        double phi = 1.0;
        if (term.bent)
            phi = std::isnan(v[term.factors[0]])
                      ? v[term.factors[0]]
                      : std::max(v[term.factors[0]] - term.knot, 0.0) / error_.scale[term.factors[0]];
        else
            for (const std::size_t i : term.factors)
                phi *= z[i];
        for (std::size_t l = 0; l < n_labels_; ++l)
            total[l] += phi * error_.coefficients[t * n_labels_ + l];
    }
    const bool known = std::all_of(labels, labels + n_labels_, [](double y) { return std::isfinite(y); });
    for (std::size_t l = 0; l < n_labels_; ++l)
        sigma[l] =
            known ? std::exp(std::isnan(total[l]) ? total[l]
                                                  : std::clamp(total[l], error_.least[l], error_.most[l]))
                  : std::numeric_limits<double>::quiet_NaN();
}

} // namespace maury

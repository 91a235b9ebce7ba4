// scan_shift against a slow twin: chi2 of every template at every whole shift, by loops.
#include "check.hpp"
#include "level.hpp"
#include "maury/shift_scan.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace {

using Vector = std::vector<double>;

constexpr std::size_t n_grid = 600, n_templates = 5;
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN(), most = 40.0;

void nothing(std::size_t) {}

// Lines of random depth, each template with its own; T(i) at any place by hand.
struct Templates {
    Vector centre, depth; // (lines,), (templates, lines)
    std::vector<float> flux;

    Templates() {
        std::mt19937_64 random(4);
        std::uniform_real_distribution<double> uniform;
        for (std::size_t line = 0; line < 60; ++line)
            centre.push_back(-20.0 + uniform(random) * 640.0);
        for (std::size_t k = 0; k < n_templates * centre.size(); ++k)
            depth.push_back(0.5 * uniform(random));
        for (std::size_t t = 0; t < n_templates; ++t)
            for (std::size_t i = 0; i < n_grid; ++i)
                flux.push_back(static_cast<float>(at(t, static_cast<double>(i))));
    }
    double at(std::size_t t, double u) const {
        double value = 1.0;
        for (std::size_t line = 0; line < centre.size(); ++line)
            value -= depth[t * centre.size() + line] * std::exp(-0.5 * std::pow((u - centre[line]) / 2.0, 2));
        return value;
    }
};

struct Batch {
    std::size_t n = 0, n_pixels = 0;
    Vector low, high, flux, ivar, truth;
    bool one_grid = true;

    maury::Observed observed() const {
        maury::Observed view;
        view.n_pixels = n_pixels;
        view.one_grid = one_grid;
        view.pixels.low = low.data();
        view.pixels.high = high.data();
        return view;
    }
    Vector scan(const Templates& templates, double most_shift = most, int threads = 1,
                const double* scatter = nullptr) const {
        Vector shift(n, 7.0);
        maury::scan_shift(observed(), n, flux.data(), ivar.data(), templates.flux.data(), n_templates, n_grid,
                          scatter, most_shift, shift.data(), threads, nothing);
        return shift;
    }
};

// Pixels of a width of their own, from the middle of the grid out over its ends.
Batch spectra(const Templates& templates, std::size_t n, double width, double noise) {
    std::mt19937_64 random(9);
    std::normal_distribution<double> normal;
    std::uniform_real_distribution<double> uniform(-most + 2.0, most - 2.0);
    Batch batch;
    batch.n = n;
    for (double low = -30.0; low < 640.0; low += width) {
        batch.low.push_back(low);
        batch.high.push_back(low + width);
    }
    batch.n_pixels = batch.low.size();
    batch.ivar.assign(n * batch.n_pixels, 1.0 / (noise * noise));
    for (std::size_t i = 0; i < n; ++i) {
        batch.truth.push_back(uniform(random));
        for (std::size_t p = 0; p < batch.n_pixels; ++p)
            batch.flux.push_back(
                templates.at(i % n_templates, batch.low[p] + 0.5 * width - batch.truth.back()) +
                noise * normal(random));
    }
    return batch;
}

void finds_the_shift(const Templates& templates) {
    for (const double width : {0.4, 1.0, 2.3}) {
        const Batch batch = spectra(templates, 40, width, 0.03);
        const Vector found = batch.scan(templates);
        for (std::size_t i = 0; i < batch.n; ++i)
            CHECK_NEAR(found[i], batch.truth[i], 0.4);
    }
}

// On the grid itself, where nothing is shared between cells: the least over whole shifts, by loops.
void is_the_least_of_all(const Templates& templates) {
    Batch batch = spectra(templates, 12, 1.0, 0.25);
    for (std::size_t p = 0; p < batch.n_pixels; ++p) {
        batch.low[p] = static_cast<double>(p) - 30.5;
        batch.high[p] = batch.low[p] + 1.0;
    }
    const Vector found = batch.scan(templates);
    std::size_t agree = 0;
    for (std::size_t i = 0; i < batch.n; ++i) {
        double least = std::numeric_limits<double>::infinity(), at = 0.0;
        for (std::size_t t = 0; t < n_templates; ++t)
            for (int lag = -40; lag <= 40; ++lag) {
                double chi2 = 0.0;
                for (int u = 40; u < 559; ++u) {
                    const double flux = std::clamp(
                        batch.flux[i * batch.n_pixels + static_cast<std::size_t>(u + 30)], 0.0, 1.5);
                    const double model =
                        static_cast<double>(templates.flux[t * n_grid + static_cast<std::size_t>(u - lag)]);
                    chi2 += (flux - model) * (flux - model);
                }
                if (chi2 < least) {
                    least = chi2;
                    at = lag;
                }
            }
        agree += std::abs(found[i] - at) <= 0.51;
    }
    CHECK(agree == batch.n);
}

void bad_pixels_do_not_matter(const Templates& templates) {
    Batch batch = spectra(templates, 10, 1.1, 0.02), other = batch;
    for (std::size_t p = 7; p < batch.flux.size(); p += 11) {
        batch.ivar[p] = other.ivar[p] = p % 2 ? 0.0 : -1.0;
        other.flux[p] = p % 3 ? nan_value : 1e30;
    }
    for (std::size_t p = 3; p < batch.flux.size(); p += 13) {
        batch.ivar[p] = 0.0;
        other.ivar[p] = p % 2 ? nan_value : 1.0;
        other.flux[p] = p % 2 ? 0.5 : nan_value;
    }
    CHECK(batch.scan(templates) == other.scan(templates));
    for (std::size_t p = 5; p < batch.flux.size(); p += 150)
        batch.flux[p] = 1e4; // cosmic rays
    const Vector found = batch.scan(templates);
    for (std::size_t i = 0; i < batch.n; ++i)
        CHECK_NEAR(found[i], batch.truth[i], 0.5);
}

void nothing_to_see(const Templates& templates) {
    Batch batch = spectra(templates, 3, 1.0, 0.02);
    std::fill_n(batch.ivar.begin(), batch.n_pixels, 0.0);
    for (std::size_t p = 0; p < batch.n_pixels; ++p) // pixels that some shift takes off the grid alone
        if (batch.low[p] > 35.0 && batch.low[p] < 565.0)
            batch.ivar[batch.n_pixels + p] = 0.0;
    Vector found = batch.scan(templates);
    CHECK(std::isnan(found[0]) && std::isnan(found[1]));
    CHECK_NEAR(found[2], batch.truth[2], 0.4);
    found = batch.scan(templates, 300.0); // no pixel is left
    CHECK(std::isnan(found[0]) && std::isnan(found[1]) && std::isnan(found[2]));
}

void stays_inside(const Templates& templates) {
    Batch batch = spectra(templates, 20, 1.0, 0.02);
    const Vector found = batch.scan(templates, 10.5);
    for (std::size_t i = 0; i < batch.n; ++i)
        CHECK(std::abs(found[i]) <= 10.5);
    batch.truth.assign(20, 0.0);
    for (const double shift : batch.scan(templates, 0.0))
        CHECK(shift == 0.0);
}

void identical_whatever_the_company(const Templates& templates) {
    const Batch batch = spectra(templates, 15, 0.9, 0.1);
    const Vector one = batch.scan(templates);
    CHECK(one == batch.scan(templates, most, 4));
    Batch own = batch; // a grid for each
    own.one_grid = false;
    own.low.clear();
    own.high.clear();
    for (std::size_t i = 0; i < batch.n; ++i) {
        own.low.insert(own.low.end(), batch.low.begin(), batch.low.end());
        own.high.insert(own.high.end(), batch.high.begin(), batch.high.end());
    }
    CHECK(one == own.scan(templates, most, 3));
    Batch last = batch;
    last.n = 1;
    last.flux.erase(last.flux.begin(), last.flux.end() - static_cast<std::ptrdiff_t>(batch.n_pixels));
    CHECK(last.scan(templates).front() == one.back());
    const Vector none(n_grid, 0.0);
    CHECK(one == batch.scan(templates, most, 1, none.data()));
    // float32 spectra are read as they are.
    std::vector<float> flux(batch.flux.begin(), batch.flux.end()), ivar(batch.ivar.begin(), batch.ivar.end());
    Batch rounded = batch;
    rounded.flux.assign(flux.begin(), flux.end());
    rounded.ivar.assign(ivar.begin(), ivar.end());
    Vector shift(batch.n);
    maury::scan_shift(batch.observed(), batch.n, flux.data(), ivar.data(), templates.flux.data(), n_templates,
                      n_grid, nullptr, most, shift.data(), 1, nothing);
    CHECK(shift == rounded.scan(templates));
}

// Where the emulator is useless its scatter says so.
void scatter_weighs(const Templates& templates) {
    Batch batch = spectra(templates, 10, 1.0, 0.02);
    Vector scatter(n_grid, 0.0);
    for (std::size_t i = 0; i < batch.n; ++i)
        for (std::size_t p = 0; p < batch.n_pixels; ++p)
            if (batch.low[p] > 100.0 && batch.low[p] < 420.0)
                batch.flux[i * batch.n_pixels + p] = templates.at(3, batch.low[p]); // another star, at rest
    std::fill(scatter.begin() + 95, scatter.begin() + 425, 10.0);
    const Vector found = batch.scan(templates, most, 1, scatter.data());
    for (std::size_t i = 0; i < batch.n; ++i)
        CHECK_NEAR(found[i], batch.truth[i], 0.5);
}

} // namespace

int main() {
    if (level_is_missing())
        return skipped;
    const Templates templates;
    finds_the_shift(templates);
    is_the_least_of_all(templates);
    bad_pixels_do_not_matter(templates);
    nothing_to_see(templates);
    stays_inside(templates);
    identical_whatever_the_company(templates);
    scatter_weighs(templates);
    return check::report();
}

// fit_batch of spectra on pixels of their own: truth, clipping, bit-identity, no heap use per spectrum.
#include "check.hpp"
#include "heap_count.hpp"
#include "level.hpp"
#include "maury/fit.hpp"
#include "networks.hpp"
#include "problems.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

namespace {

using maury::Activation;
using maury::Emulator;
using maury::Status;
using Vector = std::vector<double>;

void nothing(std::size_t) {}

bool same(const Vector& a, const Vector& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

// N spectra in two arms that overlap, moved and broadened, with noise; and room for the results.
struct Batch {
    const Emulator& emulator;
    std::size_t n, n_labels, n_pixels = 0;
    Vector low, high, variance, shift, flux, ivar, truth, nuisances, lower, upper;
    std::vector<std::int32_t> arm;
    maury::Freedom freedom;
    Vector labels, covariance, chi2, chi2_noise, found, errors;
    std::vector<std::int32_t> n_used, status, n_evaluations, n_starts, n_agree, n_clipped;
    std::unique_ptr<bool[]> at_bound;
    long n_allocations = 0; // of the last fit, without its plan

    Batch(const Emulator& emulator_, std::size_t n_, double noise)
        : emulator(emulator_), n(n_), n_labels(emulator.n_labels()) {
        const auto add = [&](double from, double to, double width, std::int32_t number) {
            for (double at = from; at < to; at += width) {
                low.push_back(at);
                high.push_back(at + width);
                variance.push_back(number == 0 ? 1.0 : 1.7 * 1.7);
                arm.push_back(number);
            }
        };
        add(-30.25, 180.0, 0.75, 0); // over the ends of the emulator on both sides
        add(150.0, 340.0, 1.25, 1);
        n_pixels = low.size();
        freedom.shift = freedom.arms = freedom.extra = true;
        freedom.n_arms = 2;
        const std::size_t count = freedom.count();
        std::mt19937_64 random(11);
        std::uniform_real_distribution<double> uniform(-0.4, 0.4);
        std::normal_distribution<double> normal;
        Vector x(n_labels);
        truth.resize(n * n_labels);
        for (std::size_t i = 0; i < n; ++i) {
            std::generate(x.begin(), x.end(), [&] { return uniform(random); });
            emulator.to_labels(x.data(), &truth[i * n_labels]);
            const double here = 12.0 * uniform(random);
            shift.push_back(std::round(here)); // where the fit starts
            nuisances.insert(nuisances.end(), {here, 0.8 * uniform(random), uniform(random) - 0.1});
        }
        flux.resize(n * n_pixels);
        maury::see(emulator, observed(), n, truth.data(), nuisances.data(), flux.data());
        for (double& value : flux)
            value += noise * normal(random);
        ivar.assign(n * n_pixels, 1.0 / (noise * noise));
        lower.resize(n_labels);
        upper.resize(n_labels);
        std::fill(x.begin(), x.end(), -0.5);
        emulator.to_labels(x.data(), lower.data());
        std::fill(x.begin(), x.end(), 0.5);
        emulator.to_labels(x.data(), upper.data());
        found.resize(n * count);
        errors.resize(n * count);
        labels.resize(n * n_labels);
        covariance.resize(n * n_labels * n_labels);
        for (Vector* values : {&chi2, &chi2_noise})
            values->resize(n);
        for (auto* values : {&n_used, &status, &n_evaluations, &n_starts, &n_agree, &n_clipped})
            values->resize(n);
        at_bound.reset(new bool[n * n_labels]);
    }

    maury::Observed observed() const {
        maury::Observed view;
        view.n_pixels = n_pixels;
        view.one_grid = low.size() == n_pixels;
        view.one_variance = variance.size() == n_pixels;
        view.pixels.low = low.data();
        view.pixels.high = high.data();
        view.pixels.variance = variance.data();
        view.pixels.arm = arm.data();
        view.shift = shift.data();
        view.freedom = freedom;
        return view;
    }
    // The fit of spectra first to first + some - 1.
    void fit(int threads = 1, double clip = 0.0, std::size_t first = 0, std::size_t some = 0) {
        some = some ? some : n;
        const maury::FitPlan plan(emulator, lower.data(), upper.data(), truth.data(), n, threads, nothing);
        maury::Observed view = observed();
        view.shift += first;
        maury::FitInput<double> in;
        in.n_spectra = some;
        in.flux = flux.data() + first * n_pixels;
        in.ivar = ivar.data() + first * n_pixels;
        in.observed = &view;
        in.clip = clip;
        const std::size_t at = first * n_labels, count = freedom.count();
        const maury::FitOutput out{labels.data() + at,           covariance.data() + at * n_labels,
                                   chi2.data() + first,          chi2_noise.data() + first,
                                   n_used.data() + first,        status.data() + first,
                                   n_evaluations.data() + first, at_bound.get() + at,
                                   n_starts.data() + first,      n_agree.data() + first,
                                   n_clipped.data() + first,     found.data() + first * count,
                                   errors.data() + first * count};
        const long before = heap_allocations();
        maury::fit_batch(plan, in, out, maury::fit_options(), threads, nothing);
        n_allocations = heap_allocations() - before;
    }
    Status status_of(std::size_t i) const { return static_cast<Status>(status[i]); }
};

bool same_results(const Batch& a, const Batch& b) {
    return same(a.labels, b.labels) && same(a.covariance, b.covariance) && same(a.chi2, b.chi2) &&
           same(a.found, b.found) && same(a.errors, b.errors) && a.status == b.status &&
           a.n_evaluations == b.n_evaluations && a.n_used == b.n_used;
}

void recovers_truth(const Emulator& emulator) {
    Batch batch(emulator, 60, 0.005);
    batch.fit();
    double sum = 0.0;
    std::size_t count = 0;
    const auto add = [&](double got, double wanted, double error) {
        const double pull = (got - wanted) / error;
        CHECK(std::abs(pull) < 5.0);
        sum += pull * pull;
        ++count;
    };
    for (std::size_t i = 0; i < batch.n; ++i) {
        CHECK(converged(batch.status_of(i)));
        for (std::size_t l = 0; l < batch.n_labels; ++l) {
            const std::size_t at = i * batch.n_labels + l;
            add(batch.labels[at], batch.truth[at], std::sqrt(batch.covariance[at * batch.n_labels + l]));
        }
        for (std::size_t k = 0; k < 3; ++k)
            add(batch.found[3 * i + k], batch.nuisances[3 * i + k], batch.errors[3 * i + k]);
        CHECK_NEAR(batch.chi2[i] / batch.n_used[i], 1.0, 0.35);
    }
    CHECK_NEAR(sum / static_cast<double>(count), 1.0, 0.25);
}

void identical_whatever_the_company(const Emulator& emulator) {
    Batch one(emulator, 17, 0.01), other(emulator, 17, 0.01);
    one.fit(1, 4.0);
    for (const int threads : {2, 5, 0}) {
        other.fit(threads, 4.0);
        CHECK(same_results(one, other));
    }
    for (std::size_t i = one.n; i-- > 0;) // each alone, the last one first
        other.fit(1, 4.0, i, 1);
    CHECK(same_results(one, other));
    for (std::size_t p = 0; p < one.flux.size(); p += 9) {
        one.ivar[p] = other.ivar[p] = 0.0;
        other.flux[p] = p % 2 ? not_a_number : 1e30;
    }
    one.fit(1, 4.0);
    other.fit(3, 4.0);
    CHECK(same_results(one, other)); // and with a grid and a variance for each:
    for (Vector* values : {&other.low, &other.high, &other.variance}) {
        const Vector row = *values;
        for (std::size_t i = 1; i < other.n; ++i)
            values->insert(values->end(), row.begin(), row.end());
    }
    const auto row = other.arm;
    for (std::size_t i = 1; i < other.n; ++i)
        other.arm.insert(other.arm.end(), row.begin(), row.end());
    other.fit(2, 4.0);
    CHECK(same_results(one, other));
}

// Pixels beyond the emulator, as one that pads a shorter spectrum.
void padding_does_not_matter(const Emulator& emulator) {
    Batch one(emulator, 9, 0.01), other(emulator, 9, 0.01);
    constexpr std::size_t before = 5, after = 11;
    other.n_pixels += before + after;
    const auto pad = [](Vector& values, double left, double right, double step) {
        values.insert(values.begin(), before, left);
        values.insert(values.end(), after, right);
        for (std::size_t p = 0; p < after; ++p)
            values[values.size() - after + p] += step * static_cast<double>(p);
    };
    pad(other.low, -100.0, 3e4, 1.0);
    pad(other.high, -99.0, 3e4 + 1.0, 1.0);
    pad(other.variance, 0.0, 0.0, 0.0); // not known there
    other.arm.insert(other.arm.begin(), before, 0);
    other.arm.insert(other.arm.end(), after, 1);
    for (Vector* values : {&other.flux, &other.ivar}) {
        const Vector old = *values;
        values->assign(other.n * other.n_pixels, 0.0);
        for (std::size_t i = 0; i < other.n; ++i)
            std::copy_n(&old[i * one.n_pixels], one.n_pixels, &(*values)[i * other.n_pixels + before]);
    }
    one.fit(1, 4.0);
    other.fit(1, 4.0);
    CHECK(same_results(one, other));
}

void no_heap_per_spectrum(const Emulator& emulator) {
    Batch batch(emulator, 40, 0.01);
    for (std::size_t p = 100; p < batch.flux.size(); p += 70)
        batch.flux[p] = 4.0;
    long used[2];
    for (const std::size_t k : {0u, 1u}) {
        batch.fit(1, 4.0, 0, k == 0 ? 3 : 40);
        used[k] = batch.n_allocations;
    }
    CHECK(used[0] > 0 && used[1] - used[0] <= 12); // memory grows where a broadening is larger than before
}

void outliers(const Emulator& emulator) {
    Batch clean(emulator, 12, 0.01), hit(emulator, 12, 0.01);
    std::vector<std::int32_t> n_hit(12);
    for (std::size_t i = 0; i < 12; ++i)
        for (std::size_t p = 50 + i; p < hit.n_pixels - 40; p += 40, ++n_hit[i]) {
            hit.flux[i * hit.n_pixels + p] += p % 80 ? 0.5 : 20.0;
            clean.ivar[i * hit.n_pixels + p] = 0.0;
        }
    clean.fit(1, 5.5);
    hit.fit(1, 5.5);
    for (std::size_t i = 0; i < 12; ++i) {
        CHECK(converged(hit.status_of(i)));
        CHECK(hit.n_clipped[i] == n_hit[i] && clean.n_clipped[i] == 0);
        CHECK(hit.n_used[i] == clean.n_used[i]);
        CHECK_NEAR(hit.chi2[i], clean.chi2[i], 1e-4);
        for (std::size_t l = 0; l < hit.n_labels; ++l) {
            const std::size_t at = i * hit.n_labels + l;
            CHECK_NEAR(hit.labels[at], clean.labels[at],
                       0.01 * std::sqrt(clean.covariance[at * hit.n_labels + l]));
        }
    }
    hit.fit(); // none are asked for
    CHECK(hit.n_clipped == std::vector<std::int32_t>(12));
}

// What a spectrum does not tell is NaN, as FitOutput says.
void nothing_fits(const Emulator& emulator) {
    Batch batch(emulator, 4, 0.01);
    std::fill_n(batch.ivar.begin(), batch.n_pixels, 0.0);
    std::fill_n(batch.flux.begin() + static_cast<std::ptrdiff_t>(batch.n_pixels), batch.n_pixels, 1e200);
    batch.shift[2] = 1e5; // off the emulator
    batch.freedom.most_shift = 2e5;
    batch.fit(1, 4.0);
    CHECK(batch.status_of(0) == Status::TOO_FEW_PIXELS && batch.status_of(1) == Status::NON_FINITE);
    CHECK(batch.status_of(2) == Status::TOO_FEW_PIXELS && batch.n_used[2] == 0);
    CHECK(converged(batch.status_of(3)));
    for (const std::size_t i : {0u, 1u, 2u})
        CHECK(std::isnan(batch.labels[i * batch.n_labels]) && std::isnan(batch.found[3 * i]) &&
              std::isnan(batch.errors[3 * i + 2]) && std::isnan(batch.chi2[i]));
}

// A few pixels that do not fit: the more are left out, the better it fits what remains.
void too_few_after_clipping(const Emulator& emulator) {
    Batch batch(emulator, 1, 0.01);
    batch.freedom = {};
    batch.freedom.n_arms = 2;
    for (std::size_t p = 0; p < batch.n_pixels; ++p)
        if (p < 60 || p >= 220 || p % 20 != 0)
            batch.ivar[p] = 0.0;
        else
            batch.flux[p] += p % 40 ? 1.0 : -1.0;
    batch.fit(1, 0.3);
    CHECK(batch.n_used[0] + batch.n_clipped[0] == 8 && batch.n_used[0] <= 3);
    CHECK(batch.status_of(0) == Status::TOO_FEW_PIXELS);
    for (const double value : {batch.labels[0], batch.covariance[0], batch.chi2[0], batch.chi2_noise[0]})
        CHECK(std::isnan(value));
}

} // namespace

int main() {
    if (level_is_missing())
        return skipped;
    const Emulator emulator = random_network({3, 20, 6, 300}, Activation::silu, 5, {maury::Transform::log10});
    recovers_truth(emulator);
    identical_whatever_the_company(emulator);
    padding_does_not_matter(emulator);
    no_heap_per_spectrum(emulator);
    outliers(emulator);
    nothing_fits(emulator);
    too_few_after_clipping(emulator);
    return check::report();
}

// fit_batch: truth recovered, statuses, covariance, starts, bit-identity, and no heap use per spectrum.
#include "check.hpp"
#include "heap_count.hpp"
#include "level.hpp"
#include "maury/fit.hpp"
#include "networks.hpp"
#include "problems.hpp"

#include <cstring>
#include <memory>
#include <stdexcept>
#include <thread>

namespace {

using maury::Activation;
using maury::Emulator;
using maury::Status;
using maury::Transform;

void nothing(std::size_t) {}

// N mock spectra with noise, and room for the results.
struct Batch {
    const Emulator& emulator;
    std::size_t n, n_labels, n_pixels;
    std::vector<double> truth, flux, ivar, lower, upper;
    std::vector<double> labels, covariance, chi2, chi2_noise;
    std::vector<std::int32_t> n_used, status, n_evaluations, n_starts, n_agree;
    std::unique_ptr<bool[]> at_bound;

    Batch(const Emulator& emulator_, std::size_t n_, double noise)
        : emulator(emulator_), n(n_), n_labels(emulator.n_labels()), n_pixels(emulator.n_pixels()),
          truth(n * n_labels), flux(n * n_pixels), ivar(n * n_pixels, 1.0 / (noise * noise)), lower(n_labels),
          upper(n_labels), labels(n * n_labels), covariance(n * n_labels * n_labels), chi2(n), chi2_noise(n),
          n_used(n), status(n), n_evaluations(n), n_starts(n), n_agree(n), at_bound(new bool[n * n_labels]) {
        std::mt19937_64 random(11);
        std::uniform_real_distribution<double> uniform(-0.45, 0.45);
        std::normal_distribution<double> normal;
        Emulator::Workspace work(emulator);
        std::vector<double> x(n_labels);
        for (std::size_t i = 0; i < n; ++i) {
            for (double& value : x)
                value = uniform(random);
            emulator.to_labels(x.data(), &truth[i * n_labels]);
            emulator.flux_scaled(x.data(), work, &flux[i * n_pixels]);
            for (std::size_t p = 0; p < n_pixels; ++p)
                flux[i * n_pixels + p] += noise * normal(random);
        }
        std::fill(x.begin(), x.end(), -0.5);
        emulator.to_labels(x.data(), lower.data());
        std::fill(x.begin(), x.end(), 0.5);
        emulator.to_labels(x.data(), upper.data());
    }

    maury::FitInput<double> input() const {
        maury::FitInput<double> in;
        in.n_spectra = n;
        in.flux = flux.data();
        in.ivar = ivar.data();
        return in;
    }
    template <typename Number>
    void fit(const maury::FitInput<Number>& in, int threads = 1, const std::vector<double>& candidates = {}) {
        const maury::FitPlan plan(emulator, lower.data(), upper.data(), candidates.data(),
                                  candidates.size() / n_labels, threads, nothing);
        fit_with(plan, in, threads);
    }
    template <typename Number>
    void fit_with(const maury::FitPlan& plan, const maury::FitInput<Number>& in, int threads) {
        const maury::FitOutput out{
            labels.data(), covariance.data(),    chi2.data(),    chi2_noise.data(), n_used.data(),
            status.data(), n_evaluations.data(), at_bound.get(), n_starts.data(),   n_agree.data()};
        const long before = heap_allocations();
        maury::fit_batch(plan, in, out, maury::fit_options(), threads, nothing);
        n_allocations = heap_allocations() - before;
    }
    long n_allocations = 0; // of the last fit, without its plan
    Status status_of(std::size_t i) const { return static_cast<Status>(status[i]); }
};

const double nan_value = not_a_number;

bool same(const std::vector<double>& a, const std::vector<double>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

void recovers_truth(const Emulator& emulator) {
    Batch batch(emulator, 40, 0.01);
    batch.fit(batch.input());
    double sum = 0.0;
    for (std::size_t i = 0; i < batch.n; ++i) {
        CHECK(converged(batch.status_of(i)));
        CHECK(batch.n_used[i] == static_cast<std::int32_t>(batch.n_pixels));
        CHECK(batch.n_agree[i] == 1);
        CHECK_NEAR(batch.chi2[i], batch.chi2_noise[i], 1e-9 * batch.chi2[i]); // no scatter given
        CHECK_NEAR(batch.chi2[i] / static_cast<double>(batch.n_pixels), 1.0, 0.35);
        for (std::size_t l = 0; l < batch.n_labels; ++l) {
            const double error = std::sqrt(batch.covariance[(i * batch.n_labels + l) * batch.n_labels + l]);
            const double pull =
                (batch.labels[i * batch.n_labels + l] - batch.truth[i * batch.n_labels + l]) / error;
            CHECK(std::abs(pull) < 5.0);
            sum += pull * pull;
        }
    }
    CHECK_NEAR(sum / static_cast<double>(batch.n * batch.n_labels), 1.0, 0.4);
}

void statuses(const Emulator& emulator) {
    Batch batch(emulator, 8, 0.01);
    const std::size_t n_pixels = batch.n_pixels, n_labels = batch.n_labels;
    const auto keep_pixels = [&](std::size_t i, std::size_t kept) {
        std::fill_n(&batch.ivar[i * n_pixels + kept], n_pixels - kept, 0.0);
    };
    keep_pixels(0, n_labels);
    keep_pixels(1, n_labels + 1);
    std::fill_n(&batch.flux[2 * n_pixels], n_pixels, nan_value);
    std::fill_n(&batch.flux[3 * n_pixels], n_pixels, 1e200); // chi2 overflows
    std::fill_n(&batch.ivar[4 * n_pixels], n_pixels, -1.0);
    std::fill_n(&batch.ivar[5 * n_pixels], n_pixels, infinity);
    batch.fit(batch.input());
    for (const std::size_t i : {0u, 2u, 4u, 5u})
        CHECK(batch.status_of(i) == Status::TOO_FEW_PIXELS);
    CHECK(batch.n_used[0] == static_cast<std::int32_t>(n_labels));
    CHECK(batch.status_of(1) != Status::TOO_FEW_PIXELS);
    CHECK(batch.status_of(3) == Status::NON_FINITE);
    CHECK(converged(batch.status_of(6)) && converged(batch.status_of(7)));
    for (const std::size_t i : {0u, 2u, 3u, 4u, 5u}) {
        CHECK(std::isnan(batch.chi2[i]) && std::isnan(batch.chi2_noise[i]));
        CHECK(std::isnan(batch.labels[i * n_labels]) &&
              std::isnan(batch.covariance[i * n_labels * n_labels]));
        CHECK(batch.n_agree[i] == 0);
    }
}

void singular() {
    // The second label touches nothing.
    const Emulator emulator({Transform::linear, Transform::linear}, {0.0, 0.0}, {1.0, 1.0},
                            {{4, 2, {1, 0, 2, 0, 3, 0, 4, 0}, {1, 1, 1, 1}, Activation::identity}});
    Batch batch(emulator, 1, 0.01);
    batch.fit(batch.input());
    CHECK(batch.status_of(0) == Status::SINGULAR);
    CHECK(std::isnan(batch.covariance[0]) && std::isfinite(batch.labels[0]));
    // Held fixed, it does no harm: no variance, no correlation.
    batch.lower[1] = batch.upper[1] = 0.3;
    batch.fit(batch.input());
    CHECK(converged(batch.status_of(0)));
    CHECK(batch.labels[1] == 0.3 && batch.at_bound[1] && !batch.at_bound[0]);
    CHECK_NEAR(batch.covariance[0], 1e-4 / 30.0, 1e-15); // sigma^2 / sum of slope^2
    CHECK(batch.covariance[1] == 0.0 && batch.covariance[2] == 0.0 && batch.covariance[3] == 0.0);
}

void starts_and_candidates(const Emulator& emulator) {
    Batch batch(emulator, 3, 0.01);
    const std::size_t n_labels = batch.n_labels;
    // Spectrum 0: two starts; 1: one and one to leave out; 2: none, so candidates.
    std::vector<double> starts(3 * 2 * n_labels, nan_value), candidates;
    for (std::size_t l = 0; l < n_labels; ++l) {
        starts[l] = batch.truth[l];
        starts[n_labels + l] = 0.5 * (batch.lower[l] + batch.upper[l]);
        starts[2 * n_labels + l] = batch.upper[l] * 1.5; // outside: clamped
    }
    const double near[] = {0.0, 0.01, 0.25, 0.5, 0.51};
    for (const double shift : near)
        for (std::size_t l = 0; l < n_labels; ++l)
            candidates.push_back(batch.lower[l] + (0.2 + shift) * (batch.upper[l] - batch.lower[l]));
    candidates.insert(candidates.end(), n_labels, 1e9); // outside
    candidates.insert(candidates.end(), n_labels, nan_value);
    maury::FitInput<double> in = batch.input();
    in.starts = starts.data();
    in.n_given = 2;
    in.n_starts = 5;
    batch.fit(in, 1, candidates);
    CHECK(batch.n_agree[0] >= 1 && batch.n_agree[0] <= 2);
    CHECK(batch.n_agree[1] == 1);
    CHECK(batch.n_starts[0] == 2 && batch.n_starts[1] == 1);
    CHECK(batch.n_starts[2] == 3); // of five, three are distinct
    CHECK(batch.n_agree[2] >= 1 && batch.n_agree[2] <= 3);
    for (std::size_t i = 0; i < 3; ++i)
        CHECK(converged(batch.status_of(i)));
    const int evaluations = batch.n_evaluations[0];
    in.n_given = 1; // as (N, 1, L): the first half of the array, spectrum 0 from its truth alone
    batch.fit(in, 1, candidates);
    CHECK(batch.n_evaluations[0] < evaluations);
}

void identical_whatever_the_threads(const Emulator& emulator) {
    Batch one(emulator, 25, 0.02), many(emulator, 25, 0.02);
    one.ivar[3] = 0.0;
    one.fit(one.input(), 1);
    for (const int threads : {2, 5, 0}) {
        many.ivar = one.ivar;
        many.fit(many.input(), threads);
        CHECK(same(one.labels, many.labels) && same(one.covariance, many.covariance) &&
              same(one.chi2, many.chi2));
        CHECK(one.status == many.status && one.n_evaluations == many.n_evaluations);
    }
    // What a pixel without weight holds does not matter.
    many.flux[3] = nan_value;
    many.fit(many.input(), 2);
    CHECK(same(one.labels, many.labels) && same(one.chi2, many.chi2));
}

void no_heap_per_spectrum(const Emulator& emulator) {
    Batch batch(emulator, 60, 0.01);
    maury::FitInput<double> in = batch.input();
    long used[2];
    for (const std::size_t k : {0u, 1u}) {
        in.n_spectra = k == 0 ? 2 : 60;
        batch.fit(in, 1, batch.truth);
        used[k] = batch.n_allocations;
    }
    CHECK(used[0] > 0);
    CHECK(used[0] == used[1]);
}

// float32 spectra are read as they are: the same as their values in double.
void single_precision_input(const Emulator& emulator) {
    Batch one(emulator, 10, 0.01), other(emulator, 10, 0.01);
    const std::vector<float> flux(one.flux.begin(), one.flux.end()), ivar(one.ivar.begin(), one.ivar.end());
    maury::FitInput<float> in;
    in.n_spectra = 10;
    in.flux = flux.data();
    in.ivar = ivar.data();
    one.fit(in);
    other.flux.assign(flux.begin(), flux.end());
    other.ivar.assign(ivar.begin(), ivar.end());
    other.fit(other.input());
    CHECK(same(one.labels, other.labels) && same(one.chi2, other.chi2));
}

// One plan, several callers at once: what they share never changes.
void callers_share_a_plan(const Emulator& emulator) {
    Batch wanted(emulator, 12, 0.01);
    wanted.fit(wanted.input(), 1, wanted.truth);
    const maury::FitPlan plan(emulator, wanted.lower.data(), wanted.upper.data(), wanted.truth.data(), 12, 1,
                              nothing);
    std::vector<std::unique_ptr<Batch>> batches;
    std::vector<std::thread> callers;
    for (int i = 0; i < 3; ++i)
        batches.push_back(std::make_unique<Batch>(emulator, 12, 0.01));
    for (const auto& batch : batches)
        callers.emplace_back([&plan, &batch] { batch->fit_with(plan, batch->input(), 2); });
    for (std::thread& caller : callers)
        caller.join();
    for (const auto& batch : batches)
        CHECK(same(batch->labels, wanted.labels) && same(batch->chi2, wanted.chi2));
}

void refuses(const Emulator& emulator) {
    Batch batch(emulator, 1, 0.01);
    std::swap(batch.lower, batch.upper);
    CHECK_THROWS(batch.fit(batch.input()), std::invalid_argument);
    batch.lower[0] = nan_value;
    CHECK_THROWS(batch.fit(batch.input()), std::invalid_argument);
}

} // namespace

int main() {
    if (level_is_missing())
        return skipped;
    const Emulator emulator = random_network({3, 20, 6, 150}, Activation::silu, 5, {Transform::log10});
    recovers_truth(emulator);
    statuses(emulator);
    singular();
    starts_and_candidates(emulator);
    identical_whatever_the_threads(emulator);
    no_heap_per_spectrum(emulator);
    single_precision_input(emulator);
    callers_share_a_plan(emulator);
    refuses(emulator);
    return check::report();
}

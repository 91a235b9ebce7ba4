// Spectra on pixels of their own, from end to end: truth, bits, memory, arguments.
#include "check.hpp"
#include "heap_count.hpp"
#include "level.hpp"
#include "maury/codes.h"
#include "maury/measure.hpp"
#include "networks.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>

namespace {

using maury::Activation;
using maury::Emulator;
using maury::Options;
using Vector = std::vector<double>;

void nothing(std::size_t) {}

Vector log_grid(std::size_t n) {
    Vector wavelength;
    for (std::size_t i = 0; i < n; ++i)
        wavelength.push_back(std::pow(10.0, 3.6 + 1e-4 * static_cast<double>(i)));
    return wavelength;
}

struct Output {
    std::size_t n, n_labels, n_pixels;
    Vector numbers; // all results in double, one after the other
    std::vector<std::int32_t> counts;
    std::unique_ptr<bool[]> marks;
    maury::Results view{};

    Output(std::size_t n_, std::size_t n_labels_, std::size_t n_pixels_)
        : n(n_), n_labels(n_labels_), n_pixels(n_pixels_),
          numbers(n * (n_labels + 2 * n_labels * n_labels + 7 + 3 * n_pixels)), counts(6 * n),
          marks(new bool[n * (n_labels + 2)]()) {
        double* next = numbers.data();
        const auto take = [&](std::size_t size) { return std::exchange(next, next + n * size); };
        view.labels = take(n_labels);
        view.covariance = take(n_labels * n_labels);
        view.noise_covariance = take(n_labels * n_labels);
        for (double** one : {&view.chi2, &view.chi2_noise, &view.rv, &view.rv_err, &view.arm_rv,
                             &view.broadening, &view.broadening_err})
            *one = take(1);
        for (double** one : {&view.model, &view.continuum, &view.weight})
            *one = take(n_pixels);
        std::int32_t* count = counts.data();
        for (std::int32_t** one : {&view.n_pixels, &view.n_clipped, &view.status, &view.n_evaluations,
                                   &view.n_starts, &view.n_agree})
            *one = std::exchange(count, count + n);
        view.at_bound = marks.get();
        view.guessed = view.at_bound + n * n_labels;
        view.sharper = view.guessed + n;
        view.n_arms = 2;
    }
    // Spectrum i here and spectrum j there: every number, bit by bit.
    bool same(const Output& other, std::size_t i, std::size_t j) const {
        const auto equal = [](const double* a, const double* b, std::size_t size) {
            return std::memcmp(a, b, size * sizeof(double)) == 0;
        };
        bool good = equal(view.labels + i * n_labels, other.view.labels + j * n_labels, n_labels) &&
                    equal(view.covariance + i * n_labels * n_labels,
                          other.view.covariance + j * n_labels * n_labels, n_labels * n_labels);
        for (auto one : {&maury::Results::chi2, &maury::Results::chi2_noise, &maury::Results::rv,
                         &maury::Results::rv_err, &maury::Results::arm_rv, &maury::Results::broadening})
            good = good && equal(view.*one + i, other.view.*one + j, 1);
        for (auto one : {&maury::Results::model, &maury::Results::continuum, &maury::Results::weight})
            good = good && equal(view.*one + i * n_pixels, other.view.*one + j * n_pixels, n_pixels);
        return good && view.status[i] == other.view.status[j] && view.n_clipped[i] == other.view.n_clipped[j];
    }
};

// Stars in two arms that overlap, moved, under a continuum, with noise, bad pixels and some cosmic rays.
struct Case {
    const Emulator& emulator;
    std::size_t n, n_labels, n_pixels = 0;
    Vector wavelength, sigma, flux, ivar, truth, rv;
    std::vector<std::int32_t> arm;
    std::unique_ptr<bool[]> moving;
    maury::Plan plan;

    Case(const Emulator& emulator_, std::size_t n_)
        : emulator(emulator_), n(n_), n_labels(emulator.n_labels()), moving(new bool[n]),
          plan(make_plan(emulator, n)) {
        for (double at = 4050.0; at < 4600.0; at += 0.9)
            add(at, 0, 1.4);
        for (double at = 4500.0; at < 5300.0; at += 1.3)
            add(at, 1, 1.9);
        n_pixels = wavelength.size();
        std::mt19937_64 random(5);
        std::uniform_real_distribution<double> uniform(-0.35, 0.35);
        std::normal_distribution<double> normal;
        truth = labels_of(emulator, n, 21);
        for (std::size_t i = 0; i < n; ++i) {
            rv.push_back(600.0 * uniform(random));
            moving[i] = i % 5 != 4;
        }
        flux.assign(n * n_pixels, 1.0);
        ivar.assign(n * n_pixels, 1.0);
        Output seen(n, n_labels, n_pixels);
        std::copy(truth.begin(), truth.end(), seen.view.labels);
        std::copy(rv.begin(), rv.end(), seen.view.rv);
        for (std::size_t i = 0; i < n; ++i)
            seen.view.arm_rv[i] = 20.0;
        seen.view.broadening = nullptr;
        Options plain;
        plain.continuum = false;
        plain.clip = 0.0;
        maury::show(plan, plain, spectra(), seen.view, 1, nothing);
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t p = 0; p < n_pixels; ++p) {
                const std::size_t at = i * n_pixels + p;
                const double shape = 1e-16 * (arm[p] ? 1.3 : 1.0) * std::pow(wavelength[p] / 4500.0, 2.0),
                             noise = shape / 60.0, model = seen.view.model[at];
                flux[at] = std::isfinite(model) ? shape * model + noise * normal(random) : shape;
                ivar[at] = uniform(random) < -0.33 ? 0.0 : 1.0 / (noise * noise);
                if (p % 211 == 7)
                    flux[at] *= 3.0;
            }
    }
    static Vector labels_of(const Emulator& emulator, std::size_t n, unsigned seed) {
        std::mt19937_64 random(seed);
        std::uniform_real_distribution<double> uniform(-0.4, 0.4);
        Vector x(emulator.n_labels()), labels(n * x.size());
        for (std::size_t i = 0; i < n; ++i) {
            std::generate(x.begin(), x.end(), [&] { return uniform(random); });
            emulator.to_labels(x.data(), &labels[i * x.size()]);
        }
        return labels;
    }
    static maury::Plan make_plan(const Emulator& emulator, std::size_t) {
        const std::size_t n_labels = emulator.n_labels();
        Vector lower(n_labels), upper(n_labels), x(n_labels, -0.5),
            wavelength = log_grid(emulator.n_pixels()), own;
        emulator.to_labels(x.data(), lower.data());
        std::fill(x.begin(), x.end(), 0.5);
        emulator.to_labels(x.data(), upper.data());
        for (const double w : wavelength)
            own.push_back(w / 4000.0);
        return {emulator,
                maury::WavelengthGrid(wavelength, own, {}, 400),
                lower,
                upper,
                labels_of(emulator, 400, 3),
                labels_of(emulator, 24, 4),
                2,
                nothing};
    }
    void add(double at, std::int32_t number, double width) {
        wavelength.push_back(at);
        arm.push_back(number);
        sigma.push_back(width);
    }
    maury::Spectra spectra(std::size_t first = 0) const {
        maury::Spectra view;
        view.n = n - first;
        view.n_pixels = n_pixels;
        view.one_wavelength = view.one_sigma = view.one_arm = true;
        view.wavelength = wavelength.data();
        view.sigma = sigma.data();
        view.arm = arm.data();
        view.flux = flux.data() + first * n_pixels;
        view.ivar = ivar.data() + first * n_pixels;
        view.rv = rv.data() + first;
        view.fit_rv = view.fit_arms = moving.get() + first;
        return view;
    }
    Output fit(const Options& options = {}, int threads = 1, std::size_t first = 0,
               std::size_t some = 0) const {
        maury::Spectra view = spectra(first);
        if (some)
            view.n = some;
        Output out(view.n, n_labels, n_pixels);
        maury::measure(plan, options, view, out.view, threads, nothing);
        return out;
    }
};

void truth_is_found(const Case& it) {
    const Output out = it.fit();
    std::size_t n_good = 0;
    for (std::size_t i = 0; i < it.n; ++i) {
        CHECK(maury::converged(static_cast<maury::Status>(out.view.status[i])));
        CHECK(out.view.n_clipped[i] >= 3);
        bool good = !it.moving[i] || (std::abs(out.view.rv[i] - it.rv[i]) < 6.0 * out.view.rv_err[i] &&
                                      std::abs(out.view.arm_rv[i] - 20.0) < 15.0);
        for (std::size_t l = 0; l < it.n_labels; ++l) {
            const std::size_t at = i * it.n_labels + l;
            const double error = std::sqrt(out.view.covariance[at * it.n_labels + l]);
            good =
                good && (std::abs(out.view.labels[at] - it.truth[at]) < 5.0 * error || out.view.at_bound[at]);
        }
        n_good += good;
    }
    CHECK(n_good + 2 >= it.n);
}

// Threads, the company before and behind, each alone.
void no_bit_depends_on_others(const Case& it) {
    Options options;
    options.broadening = true;
    const Output whole = it.fit(options), threads = it.fit(options, 3), rest = it.fit(options, 2, 5);
    for (std::size_t i = 0; i < it.n; ++i)
        CHECK(whole.same(threads, i, i));
    for (std::size_t i = 5; i < it.n; ++i)
        CHECK(whole.same(rest, i, i - 5));
    for (const std::size_t i : {0u, 4u, 9u})
        CHECK(whole.same(it.fit(options, 1, i, 1), i, 0));
}

void no_heap_per_spectrum(const Case& it) {
    it.fit(); // what is made once
    const auto allocations = [&](std::size_t some) {
        maury::Spectra view = it.spectra();
        view.n = some;
        Output out(some, it.n_labels, it.n_pixels);
        const long before = heap_allocations();
        maury::measure(it.plan, Options{}, view, out.view, 1, nothing);
        return heap_allocations() - before;
    };
    const long few = allocations(10), many = allocations(it.n);
    // Nodes of the table of steps are made when first met.
    CHECK(many - few < 2 * static_cast<long>(it.n - 10)); // of the arrays of results
    std::printf("%ld allocations for 10 spectra, %ld for %zu\n", few, many, it.n);
}

// A guess never leads higher; nothing usable is a status.
void guesses_and_bad_spectra(Case& it) {
    Options options;
    options.n_starts = 1;
    const Output plain = it.fit(options);
    maury::Spectra view = it.spectra();
    Vector guess = Case::labels_of(it.emulator, it.n, 77);
    guess[0] = std::numeric_limits<double>::quiet_NaN();
    view.guess = guess.data();
    Output out(it.n, it.n_labels, it.n_pixels);
    maury::measure(it.plan, options, view, out.view, 1, nothing);
    for (std::size_t i = 0; i < it.n; ++i)
        CHECK(out.view.chi2[i] <= plain.view.chi2[i] * (1.0 + 1e-9));
    CHECK(plain.same(out, 0, 0));
    Vector kept = it.flux;
    std::fill_n(it.flux.begin(), it.n_pixels, std::numeric_limits<double>::quiet_NaN());
    std::fill_n(it.flux.begin() + static_cast<std::ptrdiff_t>(it.n_pixels), it.n_pixels, -1.0);
    const Output bad = it.fit();
    for (const std::size_t i : {0u, 1u}) {
        CHECK(bad.view.status[i] == static_cast<int>(maury::Status::TOO_FEW_PIXELS));
        CHECK(std::isnan(bad.view.labels[i * it.n_labels]) && std::isnan(bad.view.chi2[i]));
    }
    it.flux = kept;
    const Output good = it.fit();
    for (std::size_t i = 2; i < it.n; ++i)
        CHECK(bad.same(good, i, i));
}

void wrong_arguments_are_refused(const Case& it) {
    const auto with = [&](const auto& change) {
        Options options;
        maury::Spectra view = it.spectra();
        Output out(it.n, it.n_labels, it.n_pixels);
        change(options, view, out.view);
        maury::measure(it.plan, options, view, out.view, 1, nothing);
    };
    using View = maury::Spectra;
    using Results = maury::Results;
    CHECK_THROWS(with([](Options& o, View&, Results&) { o.n_starts = 0; }), std::invalid_argument);
    CHECK_THROWS(with([](Options& o, View&, Results&) { o.clip = -1.0; }), std::invalid_argument);
    CHECK_THROWS(with([](Options& o, View&, Results&) { o.max_rv = std::nan(""); }), std::invalid_argument);
    CHECK_THROWS(with([](Options& o, View&, Results&) { o.max_evaluations = 0; }), std::invalid_argument);
    CHECK_THROWS(with([](Options&, View& v, Results&) { v.flux = nullptr; }), std::invalid_argument);
    CHECK_THROWS(with([](Options&, View&, Results& r) { r.n_arms = 1; }), std::invalid_argument);
    const std::vector<std::int32_t> negative(it.n_pixels, -1);
    CHECK_THROWS(with([&](Options&, View& v, Results&) { v.arm = negative.data(); }), std::invalid_argument);
    CHECK_THROWS(maury::WavelengthGrid({4000.0, 3999.0}, {}, {}, 400), std::invalid_argument);
    CHECK_THROWS(maury::WavelengthGrid({4000.0, 4001.0}, {1.0}, {}, 400), std::invalid_argument);
}

} // namespace

int main() {
    if (level_is_missing())
        return skipped;
    const Emulator emulator = random_network({3, 20, 24, 1200}, Activation::tanh, 2);
    Case it(emulator, 40);
    truth_is_found(it);
    no_bit_depends_on_others(it);
    no_heap_per_spectrum(it);
    guesses_and_bad_spectra(it);
    wrong_arguments_are_refused(it);
    return check::report();
}

// The front door: threads and memory change no bit, bad spectra are results, bad arguments are named.
#include "check.hpp"
#include "heap_count.hpp"
#include "maury/maury.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <thread>

namespace {

constexpr std::size_t n_pixels = 600;

maury::ModelParts made_up(std::size_t n_hidden) {
    std::mt19937_64 random(3);
    std::normal_distribution<double> normal;
    maury::ModelParts parts;
    parts.labels = {"teff", "logg", "fe_h"};
    parts.transforms = {"log10", "linear", "linear"};
    parts.label_min = {4000.0, 1.0, -2.0};
    parts.label_max = {8000.0, 5.0, 0.5};
    const auto layer = [&](std::size_t n_out, std::size_t n_in, double spread, maury::Activation activation) {
        maury::Layer made{
            n_out, n_in, {}, std::vector<double>(n_out, n_out == n_pixels ? 1.0 : 0.0), activation};
        for (std::size_t i = 0; i < n_out * n_in; ++i)
            made.weight.push_back(spread * normal(random));
        return made;
    };
    parts.layers = {layer(n_hidden, 3, 1.2, maury::Activation::tanh),
                    layer(n_pixels, n_hidden, 0.4 / std::sqrt(static_cast<double>(n_hidden)),
                          maury::Activation::identity)};
    for (std::size_t p = 0; p < n_pixels; ++p) {
        parts.wavelength.push_back(std::pow(10.0, 3.7 + 1e-4 * static_cast<double>(p)));
        parts.lsf.push_back(1.1);
    }
    for (int i = 0; i < 60; ++i)
        parts.training_labels.insert(parts.training_labels.end(),
                                     {4200.0 + 60.0 * i, 1.2 + 0.06 * i, -1.9 + 0.04 * (i % 50)});
    return parts;
}

struct Data {
    std::vector<double> flux, ivar;
};

std::vector<Data> observed(const maury::Model& model, std::size_t n) {
    std::mt19937_64 random(7);
    std::normal_distribution<double> normal(0.0, 0.01);
    std::uniform_real_distribution<double> part(0.15, 0.85);
    std::vector<Data> all;
    for (std::size_t i = 0; i < n; ++i) {
        Data data{model.flux({4000.0 * std::pow(2.0, part(random)), 1.0 + 4.0 * part(random),
                              -2.0 + 2.5 * part(random)}),
                  std::vector<double>(n_pixels, 1e4)};
        for (double& flux : data.flux)
            flux += normal(random);
        all.push_back(data);
    }
    return all;
}

maury::Spectrum spectrum_of(const maury::Model& model, const Data& data) {
    maury::Spectrum spectrum;
    spectrum.wavelength = model.parts().wavelength;
    spectrum.flux = data.flux;
    spectrum.ivar = data.ivar;
    spectrum.lsf = model.parts().lsf;
    return spectrum;
}

bool same(const std::vector<double>& a, const std::vector<double>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

bool same(const maury::Result& a, const maury::Result& b) {
    return same(a.labels, b.labels) && same(a.errors, b.errors) && same(a.covariance, b.covariance) &&
           same(a.model, b.model) && same(a.continuum, b.continuum) && same({a.chi2, a.rv}, {b.chi2, b.rv}) &&
           a.flags == b.flags && a.status == b.status;
}

// What is said of a wrong argument; nothing if it is taken.
template <typename Call> std::string refusal(const Call& call) {
    try {
        call();
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "";
}

void test_threads_and_order() {
    const maury::Model model = maury::Model::from_layers(made_up(40));
    const std::vector<Data> data = observed(model, 6);
    std::vector<maury::Spectrum> spectra;
    for (const Data& own : data)
        spectra.push_back(spectrum_of(model, own));
    maury::Fit fit(model);
    const std::vector<maury::Result> one = fit.many(spectra, 1), three = fit.many(spectra, 3);
    maury::Result again;
    for (std::size_t i = spectra.size(); i-- > 0;) {
        fit(spectra[i], again);
        CHECK(one[i].converged && same(one[i], three[i]) && same(one[i], again));
    }
    std::vector<maury::Result> apart(3); // a model is shared, fits are not
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < apart.size(); ++i)
        threads.emplace_back([&, i] { apart[i] = maury::Fit(model)(spectra[i]); });
    for (std::thread& thread : threads)
        thread.join();
    for (std::size_t i = 0; i < apart.size(); ++i)
        CHECK(same(apart[i], one[i]));
    CHECK(fit.many({}, 2).empty());
    bool thrown = false;
    try {
        fit.many(spectra, 2, [](std::size_t) { throw std::runtime_error("enough"); });
    } catch (const std::runtime_error&) {
        thrown = true;
    }
    CHECK(thrown);
}

void test_own_memory() {
    const maury::Model model = maury::Model::from_layers(made_up(40));
    const std::vector<Data> data = observed(model, 2);
    const maury::Spectrum first = spectrum_of(model, data[0]), second = spectrum_of(model, data[1]);
    maury::Fit fit(model);
    maury::Result result;
    fit(first, result);
    fit(second, result);
    fit(first, result);
    const long before = heap_allocations();
    fit(second, result);
    fit(first, result);
    const long during = heap_allocations() - before;
    std::printf("allocations in two fits: %ld\n", during);
    CHECK(during < 100); // small ones: no array of pixels
}

void test_bad_spectra_are_results() {
    const maury::Model model = maury::Model::from_layers(made_up(40));
    std::vector<Data> data = observed(model, 1);
    maury::Fit fit(model);
    maury::Spectrum spectrum = spectrum_of(model, data[0]);
    const auto unreadable = [&](const char* word) {
        const maury::Result r = fit(spectrum);
        return r.flags == (maury::flag::UNREADABLE | maury::flag::NOT_CONVERGED) && !r.valid() &&
               std::isnan(r.labels[0]) && r.problem.find(word) != std::string::npos;
    };
    std::vector<double> wavelength = model.parts().wavelength;
    std::swap(wavelength[3], wavelength[4]);
    spectrum.wavelength = wavelength;
    CHECK(unreadable("increasing"));
    std::swap(wavelength[3], wavelength[4]);
    for (double& w : wavelength)
        w /= 10.0;
    CHECK(unreadable("expected Angstrom"));
    spectrum.wavelength = model.parts().wavelength;
    std::vector<std::int32_t> arm(n_pixels, 0);
    spectrum.arm = arm;
    arm[100] = 64;
    CHECK(unreadable("arm: expected numbers"));
    arm[100] = 1;
    CHECK(unreadable("contiguous"));
    spectrum.arm = {};
    std::fill(data[0].ivar.begin(), data[0].ivar.end(), 0.0);
    const maury::Result none = fit(spectrum);
    CHECK(none.status == maury::Status::TOO_FEW_PIXELS && none.problem.empty() && none.snr == 0.0);
    CHECK(none.flags & maury::flag::BAD_PIXELS);
    CHECK(fit(maury::Spectrum()).n_pixels == 0);
    spectrum.lsf = {wavelength.data(), 5};
    CHECK_THROWS(fit(spectrum), std::invalid_argument);
    CHECK_THROWS(fit.many({spectrum}), std::invalid_argument);
}

void test_what_is_wrong_with_parts_is_named() {
    const auto refused = [](void (*spoil)(maury::ModelParts&), const char* word) {
        maury::ModelParts parts = made_up(10);
        spoil(parts);
        return refusal([&] { maury::Model::from_layers(parts); }).find(word) != std::string::npos;
    };
    using Parts = maury::ModelParts;
    CHECK(refused([](Parts& p) { p.labels[1] = "TEFF"; }, "twice"));
    CHECK(refused([](Parts& p) { p.labels[1] = "rv_err"; }, "another column"));
    CHECK(refused([](Parts& p) { p.labels[1] = "a,b"; }, "comma"));
    CHECK(refused([](Parts& p) { p.label_min[0] = -1.0; }, "log10"));
    CHECK(refused([](Parts& p) { p.transforms[0] = "sqrt"; }, "transforms"));
    CHECK(refused([](Parts& p) { p.wavelength[5] = p.wavelength[4]; }, "wavelength"));
    CHECK(refused([](Parts& p) { p.wavelength.pop_back(); }, "wavelength"));
    CHECK(refused([](Parts& p) { p.scatter.assign(n_pixels, -0.1); }, "scatter"));
    CHECK(refused([](Parts& p) { p.lsf[7] = 0.0; }, "lsf"));
    CHECK(refused([](Parts& p) { p.modes.assign(n_pixels, 0.1); }, "modes"));
    CHECK(refused([](Parts& p) { p.layers[1].weight[0] = 1e39; }, "float32"));
    CHECK(refused([](Parts& p) { p.layers[1].n_in = 9; }, "weights[1]"));
    CHECK(refused([](Parts& p) { p.training_labels.pop_back(); }, "training_labels"));
    CHECK(refused([](Parts& p) { p.window = 0; }, "window"));
}

void test_names() {
    CHECK(std::string(maury::name_of(maury::Status::MAX_EVALUATIONS)) == "max evaluations");
    CHECK(maury::flag_names(34) == (std::vector<std::string>{"at bound", "low snr"}));
    CHECK(maury::name_of(static_cast<maury::Status>(99)) == nullptr && maury::flag_meaning(40) == nullptr);
    CHECK(maury::regions_of("balmer").size() == 4);
    CHECK_THROWS(maury::regions_of("ozone"), std::invalid_argument);
}

// A wide last layer is cut for the search and whole in the finish.
void test_a_wide_network() {
    const maury::Model model = maury::Model::from_layers(made_up(150));
    const std::vector<double> truth = {5200.0, 3.0, -0.5};
    Data data{model.flux(truth), std::vector<double>(n_pixels, 1e6)};
    maury::Spectrum spectrum = spectrum_of(model, data);
    spectrum.rv = 0.0;
    const maury::Result r = maury::Fit(model)(spectrum);
    CHECK(r.converged);
    for (std::size_t l = 0; l < 3; ++l)
        CHECK_NEAR(r.labels[l], truth[l], 0.05 * r.formal_errors[l]);
}

void test_guess_and_prior() {
    const maury::Model model = maury::Model::from_layers(made_up(40));
    const std::vector<Data> data = observed(model, 1);
    maury::Spectrum spectrum = spectrum_of(model, data[0]);
    spectrum.rv = 0.0;
    maury::Fit fit(model);
    const maury::Result plain = fit(spectrum);
    CHECK(plain.start == maury::Start::search && plain.chi2_prior == 0.0);

    const std::vector<double> far{7900.0, 1.1, -1.9};
    spectrum.guess = far;
    const maury::Result guessed = fit(spectrum);
    CHECK(guessed.start == maury::Start::search && guessed.n_starts == plain.n_starts + 1);
    for (std::size_t l = 0; l < 3; ++l)
        CHECK_NEAR(guessed.labels[l], plain.labels[l], 1e-3 * plain.formal_errors[l]);
    spectrum.guess = {};

    const double sigma = plain.formal_errors[1];
    const std::vector<double> mean{maury::unknown, plain.labels[1] + 4.0 * sigma, maury::unknown};
    std::vector<double> precision(9, 0.0);
    const auto with = [&](double width) {
        precision[4] = 1.0 / (width * width);
        spectrum.prior_mean = mean;
        spectrum.prior_precision = precision;
        return fit(spectrum);
    };
    const maury::Result as_wide = with(sigma), narrow = with(1e-3 * sigma); // half the way, all of it
    CHECK_NEAR(as_wide.labels[1], plain.labels[1] + 2.0 * sigma, 0.05 * sigma);
    CHECK_NEAR(as_wide.chi2_prior, std::pow((as_wide.labels[1] - mean[1]) / sigma, 2), 1e-9);
    CHECK_NEAR(as_wide.formal_errors[1], sigma / std::sqrt(2.0), 0.02 * sigma);
    CHECK_NEAR(narrow.labels[1], mean[1], 1e-2 * sigma);
    CHECK(narrow.chi2 > plain.chi2);

    const auto refused = [&](const char* name) {
        return refusal([&] { fit(spectrum); }).rfind(name, 0) == 0;
    };
    spectrum.prior_precision = {};
    CHECK(refused("prior_precision: "));
    spectrum.prior_mean = precision;
    CHECK(refused("prior_mean: "));
    spectrum.prior_mean = {};
    spectrum.guess = precision;
    CHECK(refused("guess: "));
}

} // namespace

int main() {
    test_threads_and_order();
    test_own_memory();
    test_bad_spectra_are_results();
    test_what_is_wrong_with_parts_is_named();
    test_names();
    test_a_wide_network();
    test_guess_and_prior();
    return check::report();
}

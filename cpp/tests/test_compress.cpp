// The compressed chi2 against slow sums over pixels, and against the problem in pixel space.
#include "check.hpp"
#include "maury/compress.hpp"
#include "maury/fit.hpp"
#include "networks.hpp"
#include "pixel_problem.hpp"

#include <algorithm>
#include <limits>
#include <memory>

namespace {

using maury::Activation;
using maury::Emulator;

// A noisy spectrum off the model by as much as the network itself varies; every seventh pixel is masked.
struct Spectrum {
    std::vector<double> flux, ivar, scatter;

    Spectrum(const Emulator& emulator, unsigned seed) {
        std::mt19937_64 random(seed);
        std::uniform_real_distribution<double> uniform(-0.45, 0.45);
        std::normal_distribution<double> normal;
        std::vector<double> x(emulator.n_labels());
        for (double& value : x)
            value = uniform(random);
        flux.resize(emulator.n_pixels());
        Emulator::Workspace work(emulator);
        emulator.flux_scaled(x.data(), work, flux.data());
        for (std::size_t p = 0; p < flux.size(); ++p) {
            flux[p] += 0.01 * normal(random);
            ivar.push_back(p % 7 == 3 ? 0.0 : 1e4 * (1.0 + uniform(random)));
            scatter.push_back(0.01 * (0.5 + uniform(random)));
            if (p % 7 == 3)
                flux[p] = p % 2 ? std::numeric_limits<double>::quiet_NaN() : 1e30;
        }
    }
};

// s, c and G are sums of P terms: so many roundings of the sum of their sizes at most.
void sums_are_those_over_pixels(const Emulator& emulator) {
    const std::size_t n_pixels = emulator.n_pixels(), n = emulator.n_coefficients();
    const maury::Basis basis(emulator);
    const maury::StopFlag stop;
    std::vector<double> b(n_pixels * n), mean(n_pixels), middle(emulator.n_labels(), 0.0), model(n_pixels);
    std::vector<double> h(n);
    emulator.basis(b.data());
    Emulator::Workspace work(emulator);
    emulator.flux_scaled(middle.data(), work, mean.data());

    // The flux is the mean plus the basis times what the coefficients moved by.
    std::fill(middle.begin(), middle.end(), 0.21);
    emulator.flux_scaled(middle.data(), work, model.data());
    emulator.coefficients_scaled(middle.data(), work, h.data());
    for (std::size_t p = 0; p < n_pixels; ++p) {
        double sum = mean[p];
        for (std::size_t k = 0; k < n; ++k)
            sum += b[p * n + k] * (h[k] - basis.middle()[k]);
        CHECK_NEAR(sum, model[p], 1e-12);
    }

    maury::PixelProblem pixels(emulator);
    maury::CompressedProblem compressed(emulator, basis);
    for (const unsigned seed : {1u, 2u}) { // the second into used memory
        const Spectrum spectrum(emulator, seed);
        pixels.set(spectrum.flux.data(), spectrum.ivar.data(), spectrum.scatter.data(), stop);
        compressed.set(pixels.flux(), pixels.weight(), stop);
        const auto sum = [&](auto left, auto right, double got) {
            long double total = 0.0L, size = 0.0L;
            for (std::size_t p = 0; p < n_pixels; ++p) {
                const long double term = static_cast<long double>(pixels.weight()[p]) * left(p) * right(p);
                total += term;
                size += std::abs(term);
            }
            CHECK_NEAR(got, static_cast<double>(total), 1e-12 * static_cast<double>(size));
        };
        const auto residual = [&](std::size_t p) { return pixels.flux()[p] - mean[p]; };
        const auto column = [&](std::size_t k) { return [&, k](std::size_t p) { return b[p * n + k]; }; };
        sum(residual, residual, compressed.constant());
        for (std::size_t i = 0; i < n; ++i) {
            sum(column(i), residual, compressed.linear(i));
            for (std::size_t j = 0; j < n; ++j)
                sum(column(i), column(j), compressed.gram(i, j));
        }
    }
}

void chi2_and_derivatives_are_those_of_the_pixels(const Emulator& emulator) {
    const std::size_t n_labels = emulator.n_labels();
    const maury::Basis basis(emulator);
    const maury::StopFlag stop;
    maury::PixelProblem pixels(emulator);
    maury::CompressedProblem compressed(emulator, basis);
    Emulator::Workspace work(emulator);
    std::mt19937_64 random(7);
    std::uniform_real_distribution<double> uniform(-0.6, 0.6);
    std::vector<double> x(n_labels), h(emulator.n_coefficients());
    std::vector<double> gradient(n_labels), wanted_gradient(n_labels);
    std::vector<double> hessian(n_labels * n_labels), wanted_hessian(n_labels * n_labels);
    for (unsigned seed = 0; seed < 5; ++seed) {
        const Spectrum spectrum(emulator, seed);
        pixels.set(spectrum.flux.data(), spectrum.ivar.data(), spectrum.scatter.data(), stop);
        compressed.set(pixels.flux(), pixels.weight(), stop);
        for (int trial = 0; trial < 20; ++trial) {
            for (double& value : x)
                value = uniform(random);
            const double chi2 = compressed.chi2(x.data()), wanted = pixels.chi2(x.data());
            CHECK_NEAR(chi2, wanted, 1e-9 * wanted);
            compressed.derivatives(x.data(), gradient.data(), hessian.data());
            pixels.derivatives(x.data(), wanted_gradient.data(), wanted_hessian.data());
            for (std::size_t i = 0; i < n_labels; ++i) {
                // A component that happens to vanish is judged by the largest it could have been.
                const double most = std::sqrt(wanted * wanted_hessian[i * n_labels + i]);
                CHECK_NEAR(gradient[i], wanted_gradient[i], 1e-9 * most);
                for (std::size_t j = 0; j < n_labels; ++j)
                    CHECK_NEAR(hessian[i * n_labels + j], wanted_hessian[i * n_labels + j],
                               1e-9 * std::sqrt(wanted_hessian[i * n_labels + i] *
                                                wanted_hessian[j * n_labels + j]));
            }
            emulator.coefficients_scaled(x.data(), work, h.data());
            CHECK(compressed.chi2_of(h.data()) == chi2);
        }
    }
}

// With stop rules so tight that both paths end at the same point, not only near it.
void whole_fits_are_those_of_the_pixels(const Emulator& emulator) {
    const std::size_t n = 40, n_labels = emulator.n_labels();
    std::vector<double> flux, ivar, candidates, lower(n_labels), upper(n_labels), x(n_labels, -0.45);
    std::mt19937_64 random(3);
    std::uniform_real_distribution<double> uniform(-0.4, 0.4);
    emulator.to_labels(x.data(), lower.data());
    std::fill(x.begin(), x.end(), 0.42);
    emulator.to_labels(x.data(), upper.data());
    for (unsigned i = 0; i < n; ++i) {
        const Spectrum spectrum(emulator, i);
        flux.insert(flux.end(), spectrum.flux.begin(), spectrum.flux.end());
        ivar.insert(ivar.end(), spectrum.ivar.begin(), spectrum.ivar.end());
        for (double& value : x)
            value = uniform(random);
        candidates.resize(candidates.size() + n_labels);
        emulator.to_labels(x.data(), candidates.data() + i * n_labels);
    }
    maury::FitInput input;
    input.n_spectra = input.n_candidates = n;
    input.flux = flux.data();
    input.ivar = ivar.data();
    input.lower = lower.data();
    input.upper = upper.data();
    input.candidates = candidates.data();
    maury::SolveOptions options;
    options.cost_tol = 0.0;
    options.step_tol = 1e-13;
    options.gradient_tol = 1e-8;
    std::vector<double> labels[2], covariance[2], chi2[2], chi2_noise[2];
    for (const std::size_t path : {0u, 1u}) {
        labels[path].resize(n * n_labels);
        covariance[path].resize(n * n_labels * n_labels);
        chi2[path].resize(n);
        chi2_noise[path].resize(n);
        std::vector<std::int32_t> whole(4 * n);
        const std::unique_ptr<bool[]> at_bound(new bool[n * n_labels]);
        input.compress = path == 0;
        maury::fit_batch(emulator, input,
                         {labels[path].data(), covariance[path].data(), chi2[path].data(),
                          chi2_noise[path].data(), &whole[0], &whole[n], &whole[2 * n], at_bound.get(),
                          &whole[3 * n]},
                         options, 1, [](std::size_t) {});
    }
    std::size_t n_same = 0;
    for (std::size_t i = 0; i < n; ++i) {
        if (std::abs(chi2[0][i] - chi2[1][i]) > 1e-6 * chi2[1][i])
            continue; // another of several minima
        ++n_same;
        CHECK_NEAR(chi2[0][i], chi2[1][i], 1e-9 * chi2[1][i]);
        CHECK_NEAR(chi2_noise[0][i], chi2_noise[1][i], 1e-6 * chi2_noise[1][i]);
        for (std::size_t l = 0; l < n_labels; ++l) {
            const std::size_t k = i * n_labels + l;
            const double variance = covariance[1][k * n_labels + l];
            CHECK_NEAR(labels[0][k], labels[1][k], 1e-6 * std::sqrt(variance));
            CHECK_NEAR(covariance[0][k * n_labels + l], variance, 1e-6 * variance);
        }
    }
    CHECK(n_same >= n - 2);
}

void stops() {
    const Emulator emulator = random_network({2, 6, 4, 90}, Activation::silu, 3);
    const maury::Basis basis(emulator);
    maury::CompressedProblem compressed(emulator, basis);
    const std::vector<double> flux(90, 1.0), x(2, 0.1);
    maury::StopFlag stop;
    compressed.set(flux.data(), flux.data(), stop);
    stop.set();
    CHECK_THROWS(compressed.chi2(x.data()), maury::StopFlag::Stopped);
    CHECK_THROWS(compressed.set(flux.data(), flux.data(), stop), maury::StopFlag::Stopped);
}

void knows_when_it_pays() {
    CHECK(compresses(random_network({2, 8, 97}, Activation::silu, 1)));
    CHECK(!compresses(random_network({2, 12, 96}, Activation::silu, 1)));
    CHECK(compresses(random_network({2, 128, 1025}, Activation::silu, 1)));
    CHECK(!compresses(random_network({2, 129, 1300}, Activation::silu, 1)));
}

} // namespace

int main() {
    // K not a multiple of the panel, P not of the block; and a network of one layer: the trunk is the labels.
    for (const std::vector<std::size_t>& sizes : {std::vector<std::size_t>{3, 20, 13, 203},
                                                  {5, 30, 16, 640},
                                                  {2, 50},
                                                  {1, 9, 1, 64},
                                                  {4, 10, 70, 700}}) {
        const Emulator emulator = random_network(sizes, Activation::gelu, 5);
        sums_are_those_over_pixels(emulator);
        chi2_and_derivatives_are_those_of_the_pixels(emulator);
    }
    whole_fits_are_those_of_the_pixels(random_network({3, 20, 8, 150}, Activation::silu, 5));
    whole_fits_are_those_of_the_pixels(random_network({4, 30, 30, 12, 400}, Activation::tanh, 6));
    stops();
    knows_when_it_pays();
    return check::report();
}

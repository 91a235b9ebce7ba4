// The compressed chi2 against slow sums over pixels, and against the problem in pixel space.
#include "check.hpp"
#include "compressed_problem.hpp"
#include "level.hpp"
#include "maury/compress.hpp"
#include "networks.hpp"
#include "pixel_problem.hpp"

#include <algorithm>
#include <limits>

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

struct Problems {
    maury::TrunkPoint point;
    maury::Spectrum data;
    maury::PixelProblem pixels;
    maury::Compressed compressed;
    maury::CompressedProblem problem;

    explicit Problems(const Emulator& emulator)
        : point(emulator.trunk()), pixels(emulator, point, data), compressed(emulator.basis()),
          problem(compressed, point, emulator.n_labels()) {}
    bool set(const Spectrum& spectrum, const maury::StopFlag& stop) {
        data.set(spectrum.flux.size(), spectrum.flux.data(), spectrum.ivar.data(), spectrum.scatter.data());
        pixels.begin(stop);
        return compressed.set(data.flux(), data.weight(), stop);
    }
};

// s, c and G are sums of P terms; those of c and G are rounded to float32 one by one.
void sums_are_those_over_pixels(const Emulator& emulator) {
    const maury::Basis& basis = emulator.basis();
    const std::size_t n_pixels = emulator.n_pixels(), n = basis.n_coefficients;
    const maury::StopFlag stop;
    Problems problems(emulator);
    Emulator::Workspace work(emulator);

    // The flux is the mean plus the basis times what the coefficients moved by.
    std::vector<double> x(emulator.n_labels(), 0.21), model(n_pixels);
    emulator.flux_scaled(x.data(), work, model.data());
    const double* h = problems.point.coefficients(x.data());
    for (std::size_t p = 0; p < n_pixels; ++p) {
        double sum = basis.mean[p];
        for (std::size_t k = 0; k < n; ++k)
            sum += static_cast<double>(basis.rows[p * basis.stride + k]) * (h[k] - basis.middle[k]);
        CHECK_NEAR(sum, model[p], 1e-12);
    }
    for (const unsigned seed : {1u, 2u}) { // the second into used memory
        CHECK(problems.set(Spectrum(emulator, seed), stop));
        const maury::Spectrum& pixels = problems.data;
        const auto sum = [&](auto left, auto right, double got, double precision) {
            double total = 0.0, size = 0.0;
            for (std::size_t p = 0; p < n_pixels; ++p) {
                const double term = pixels.weight()[p] * left(p) * right(p);
                total += term;
                size += std::abs(term);
            }
            CHECK_NEAR(got, total, precision * size);
        };
        const auto residual = [&](std::size_t p) { return pixels.flux()[p] - basis.mean[p]; };
        const auto column = [&](std::size_t k) {
            return [&, k](std::size_t p) { return static_cast<double>(basis.rows[p * basis.stride + k]); };
        };
        sum(residual, residual, problems.compressed.constant(), 1e-13);
        for (std::size_t i = 0; i < n; ++i) {
            sum(column(i), residual, problems.compressed.linear()[i], 5e-7);
            for (std::size_t j = 0; j < n; ++j)
                sum(column(i), column(j), problems.compressed.gram(i)[j], 5e-7);
        }
    }
}

// Without some pixels the sums are those of a spectrum that never had them, whether few go or many; and the
// residual of a model gives the slope that c and G give.
void leaves_out_pixels(const Emulator& emulator) {
    const maury::Basis& basis = emulator.basis();
    const std::size_t n_pixels = emulator.n_pixels(), n = basis.n_coefficients;
    const maury::StopFlag stop;
    for (const std::size_t step : {std::size_t{3}, std::size_t{41}}) {
        Problems some(emulator), never(emulator);
        Spectrum spectrum(emulator, 4);
        for (std::size_t p = 0; p < n_pixels; p += step)
            spectrum.flux[p] += 1e3;
        CHECK(some.set(spectrum, stop));
        std::vector<double> weight(some.data.weight(), some.data.weight() + n_pixels);
        std::vector<maury::LeftOut> left_out;
        for (std::size_t p = 0; p < n_pixels; p += step) {
            left_out.push_back({p, weight[p]});
            weight[p] = spectrum.ivar[p] = 0.0;
        }
        CHECK(some.compressed.leave_out(left_out, some.data.flux(), weight.data(), basis.rows,
                                        basis.mean.data(), n_pixels, stop));
        CHECK(never.set(spectrum, stop));
        CHECK_NEAR(some.compressed.constant(), never.compressed.constant(),
                   1e-12 * never.compressed.constant());
        std::vector<double> size(n);
        for (std::size_t k = 0; k < n; ++k)
            for (std::size_t p = 0; p < n_pixels; ++p)
                size[k] += weight[p] * std::abs(static_cast<double>(basis.rows[p * basis.stride + k]) *
                                                (never.data.flux()[p] - basis.mean[p]));
        for (std::size_t i = 0; i < n; ++i) {
            CHECK_NEAR(some.compressed.linear()[i], never.compressed.linear()[i], 1e-6 * size[i]);
            for (std::size_t j = 0; j < n; ++j)
                CHECK_NEAR(some.compressed.gram(i)[j], never.compressed.gram(i)[j],
                           2e-6 * std::sqrt(never.compressed.gram(i)[i] * never.compressed.gram(j)[j]));
        }
        const std::vector<double> x(emulator.n_labels(), 0.13);
        std::vector<double> slope(n), wanted(n), model(n_pixels), exact(n_pixels);
        const double* h = never.point.coefficients(x.data());
        never.compressed.chi2(h, wanted.data());
        never.compressed.model(h, basis.rows, basis.mean.data(), n_pixels, model.data());
        Emulator::Workspace work(emulator);
        emulator.flux_scaled(x.data(), work, exact.data());
        for (std::size_t p = 0; p < n_pixels; ++p)
            CHECK_NEAR(model[p], exact[p], 3e-6);
        never.compressed.slope_of(exact.data(), never.data.flux(), never.data.weight(), basis.rows, n_pixels,
                                  slope.data());
        for (std::size_t k = 0; k < n; ++k)
            CHECK_NEAR(slope[k], wanted[k], 1e-5 * size[k]);
    }
}

void chi2_and_derivatives_are_those_of_the_pixels(const Emulator& emulator) {
    const std::size_t n_labels = emulator.n_labels(), n = emulator.basis().n_coefficients;
    const maury::StopFlag stop;
    Problems problems(emulator);
    maury::TrunkColumns columns(emulator.search_trunk(), 1);
    std::mt19937_64 random(7);
    std::uniform_real_distribution<double> uniform(-0.6, 0.6);
    std::vector<double> x(n_labels), gradient(n_labels), wanted_gradient(n_labels);
    std::vector<double> hessian(n_labels * n_labels), wanted_hessian(n_labels * n_labels), slope(n), h(n);
    std::vector<float> single(n), tangents(n_labels * n), product(n_labels * n);
    const auto compare = [&](double chi2, double wanted, double precision) {
        CHECK_NEAR(chi2, wanted, precision * wanted);
        for (std::size_t i = 0; i < n_labels; ++i) {
            // A component that happens to vanish is judged by the largest it could have been.
            const double most = std::sqrt(wanted * wanted_hessian[i * n_labels + i]);
            CHECK_NEAR(gradient[i], wanted_gradient[i], precision * most);
            for (std::size_t j = 0; j < n_labels; ++j)
                CHECK_NEAR(hessian[i * n_labels + j], wanted_hessian[i * n_labels + j],
                           precision * std::sqrt(wanted_hessian[i * n_labels + i] *
                                                 wanted_hessian[j * n_labels + j]));
        }
    };
    for (unsigned seed = 0; seed < 5; ++seed) {
        problems.set(Spectrum(emulator, seed), stop);
        for (int trial = 0; trial < 20; ++trial) {
            for (double& value : x)
                value = uniform(random);
            const double wanted = problems.pixels.chi2(x.data());
            problems.pixels.derivatives(x.data(), wanted_gradient.data(), wanted_hessian.data());
            // In one pass over the pixels, and in two; into other memory.
            const double once =
                problems.pixels.chi2_and_derivatives(x.data(), gradient.data(), hessian.data());
            compare(once, wanted, 1e-12);
            const double chi2 = problems.problem.chi2(x.data());
            problems.problem.derivatives(x.data(), gradient.data(), hessian.data());
            compare(chi2, wanted, 1e-5);
            columns.coefficients(x.data(), 1, single.data());
            columns.tangents(0, tangents.data());
            h.assign(single.begin(), single.end());
            const double in_single = problems.compressed.chi2(h.data(), slope.data());
            problems.compressed.derivatives(tangents.data(), n_labels, slope.data(), product.data(),
                                            gradient.data(), hessian.data());
            compare(in_single, wanted, 2e-4);
        }
    }
}

void far_off_spectra_are_told() {
    const Emulator emulator = random_network({2, 6, 4, 90}, Activation::silu, 3);
    Problems problems(emulator);
    const maury::StopFlag stop;
    Spectrum spectrum(emulator, 1);
    std::fill(spectrum.flux.begin(), spectrum.flux.end(), 1e60); // beyond float32
    CHECK(!problems.set(spectrum, stop));
    CHECK(problems.set(Spectrum(emulator, 1), stop));
}

void stops() {
    const Emulator emulator = random_network({2, 6, 4, 90}, Activation::silu, 3);
    Problems problems(emulator);
    maury::StopFlag stop;
    problems.set(Spectrum(emulator, 1), stop);
    stop.set();
    const std::vector<double> x(2, 0.1);
    CHECK_THROWS(problems.pixels.chi2(x.data()), maury::StopFlag::Stopped);
    CHECK_THROWS(problems.set(Spectrum(emulator, 1), stop), maury::StopFlag::Stopped);
}

} // namespace

int main() {
    if (level_is_missing())
        return skipped;
    // K not a multiple of the panel, P not of the block; and a network of one layer: the trunk is the labels.
    for (const std::vector<std::size_t>& sizes : {std::vector<std::size_t>{3, 20, 13, 203},
                                                  {5, 30, 16, 640},
                                                  {2, 50},
                                                  {1, 9, 1, 64},
                                                  {4, 10, 70, 700}}) {
        const Emulator emulator = random_network(sizes, Activation::gelu, 5);
        sums_are_those_over_pixels(emulator);
        leaves_out_pixels(emulator);
        chi2_and_derivatives_are_those_of_the_pixels(emulator);
    }
    far_off_spectra_are_told();
    stops();
    return check::report();
}

// A fit of one made-up spectrum, as a C++ pipeline would do it.
#include <maury/fit.hpp>
#include <maury/running_median.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

int main() {
    // flux = 1 + 0.1 * slope_p * x, with x one label in [0, 4] scaled to [-0.5, 0.5].
    const std::size_t n_pixels = 50;
    maury::Layer layer{n_pixels, 1, {}, std::vector<double>(n_pixels, 1.0), maury::Activation::identity};
    for (std::size_t p = 0; p < n_pixels; ++p)
        layer.weight.push_back(0.1 * std::sin(static_cast<double>(p)));
    const maury::Emulator emulator({maury::Transform::linear}, {0.0}, {4.0}, {layer});
    maury::Emulator::Workspace work(emulator);

    const double truth = 3.0, lower = 0.0, upper = 4.0;
    std::vector<double> flux(n_pixels), median(n_pixels), ivar(n_pixels, 1e4);
    emulator.flux(&truth, work, flux.data());
    maury::running_median(flux.data(), nullptr, median.data(), n_pixels, 20);

    const auto nothing = [](std::size_t) {};
    const maury::FitPlan plan(emulator, &lower, &upper, nullptr, 0, 1, nothing);
    maury::FitInput<double> input;
    input.n_spectra = 1;
    input.flux = flux.data();
    input.ivar = ivar.data();
    double label, variance, chi2, chi2_noise;
    std::int32_t n_used, status, n_evaluations, n_starts, n_agree;
    bool at_bound;
    const maury::FitOutput output{&label,  &variance,      &chi2,     &chi2_noise, &n_used,
                                  &status, &n_evaluations, &at_bound, &n_starts,   &n_agree};
    maury::fit_batch(plan, input, output, maury::fit_options(), 1, nothing);
    std::printf("label %g +- %g, status %d\n", label, std::sqrt(variance), status);
    return std::abs(label - truth) < 1e-6 && std::isfinite(median[0]) ? 0 : 1;
}

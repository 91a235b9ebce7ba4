// A fit of one made-up spectrum, as a C++ pipeline would do it.
#include <maury/measure.hpp>
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
    std::vector<double> wavelength(n_pixels);
    for (std::size_t p = 0; p < n_pixels; ++p)
        wavelength[p] = std::pow(10.0, 3.6 + 1e-4 * static_cast<double>(p));
    const maury::Plan plan(emulator, maury::WavelengthGrid(wavelength, {}, {}, 400), {lower}, {upper}, {}, {},
                           1, nothing);
    maury::Spectra spectra;
    spectra.n = 1;
    spectra.n_pixels = n_pixels;
    spectra.one_wavelength = spectra.one_arm = true;
    spectra.wavelength = wavelength.data();
    spectra.flux = flux.data();
    spectra.ivar = ivar.data();
    maury::Options options;
    options.continuum = false;
    double label, variance, chi2, chi2_noise, rv, rv_err, broadening, broadening_err;
    std::int32_t n_used, n_clipped, status, n_evaluations, n_starts, n_agree;
    bool at_bound, guessed, sharper;
    const maury::Results results{
        &label,         &variance, &chi2,    &chi2_noise, &n_used,        &n_clipped, &status,
        &n_evaluations, &n_starts, &n_agree, &at_bound,   &guessed,       &sharper,   &rv,
        &rv_err,        1,         nullptr,  &broadening, &broadening_err};
    maury::measure(plan, options, spectra, results, 1, nothing);
    std::printf("label %g +- %g, status %d\n", label, std::sqrt(variance), status);
    return std::abs(label - truth) < 1e-6 && std::isfinite(median[0]) ? 0 : 1;
}

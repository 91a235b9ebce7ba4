// Fits in the loop of a pipeline, in memory of its own that is used again, with a model that is made of
// layers and not read from a file. The spectra are made of the model, so the labels are known.
#include <maury/maury.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace {

// flux = 1 + lines whose depths grow with two labels, on a grid of 1e-4 in log10 wavelength.
maury::ModelParts made_up() {
    const std::size_t n_pixels = 1500;
    maury::ModelParts parts;
    parts.labels = {"teff", "fe_h"};
    parts.transforms = {"log10", "linear"};
    parts.label_min = {4000.0, -2.0};
    parts.label_max = {8000.0, 0.5};
    maury::Layer layer{n_pixels, 2, {}, {}, maury::Activation::identity};
    for (std::size_t p = 0; p < n_pixels; ++p) {
        parts.wavelength.push_back(std::pow(10.0, 3.65 + 1e-4 * static_cast<double>(p)));
        parts.lsf.push_back(1.0);
        const double x = static_cast<double>(p);
        const double balmer = std::exp(-std::pow(std::sin(0.011 * x) / 0.08, 2.0)),
                     metals = std::pow(std::sin(0.09 * x) * std::sin(0.037 * x), 6.0);
        layer.weight.insert(layer.weight.end(), {-0.3 * balmer + 0.2 * metals, -0.25 * metals});
        layer.bias.push_back(1.0 - 0.3 * balmer - 0.25 * metals);
    }
    parts.layers = {layer};
    return parts;
}

} // namespace

int main() {
    const maury::Model model = maury::Model::from_layers(made_up());
    maury::Options options;
    options.velocity = maury::Options::Velocity::given;
    maury::Fit fit(model, options);

    const std::vector<double>& wavelength = model.parts().wavelength;
    std::vector<double> flux(wavelength.size()), ivar(wavelength.size());
    maury::Spectrum spectrum; // looks at the arrays above, whatever they hold
    spectrum.wavelength = wavelength;
    spectrum.flux = flux;
    spectrum.ivar = ivar;
    spectrum.lsf = model.parts().lsf;
    spectrum.rv = 0.0;
    maury::Result result; // its memory is used again

    double worst = 0.0;
    for (int i = 0; i < 20; ++i) {
        const std::vector<double> truth = {4500.0 + 150.0 * i, -1.5 + 0.09 * i};
        const std::vector<double> normalised = model.flux(truth);
        for (std::size_t p = 0; p < flux.size(); ++p) {
            const double continuum = 50.0 + 2.0 * i + 0.01 * static_cast<double>(p);
            flux[p] = continuum * normalised[p];
            ivar[p] = std::pow(100.0 / continuum, 2.0);
        }
        fit(spectrum, result);
        worst = std::max(worst, std::abs(result.labels[0] - truth[0]) / result.formal_errors[0]);
        std::printf("%6.1f +- %4.1f K (%6.1f)  %5.2f +- %4.2f (%5.2f)\n", result.labels[0], result.errors[0],
                    truth[0], result.labels[1], result.errors[1], truth[1]);
    }
    std::printf("at most %.3f formal errors from the truth\n", worst);
    return worst < 0.05 ? 0 : 1;
}

// A fit of one made-up spectrum, as a C++ pipeline would do it.
#include <maury/maury.hpp>

#include <cmath>
#include <cstdio>

int main() {
    // flux = 1 + 0.1 * slope_p * x, with x one label in [0, 4] scaled to [-0.5, 0.5].
    const std::size_t n_pixels = 50;
    maury::ModelParts parts;
    parts.labels = {"logg"};
    parts.label_min = {0.0};
    parts.label_max = {4.0};
    maury::Layer layer{n_pixels, 1, {}, std::vector<double>(n_pixels, 1.0), maury::Activation::identity};
    for (std::size_t p = 0; p < n_pixels; ++p) {
        layer.weight.push_back(0.1 * std::sin(static_cast<double>(p)));
        parts.wavelength.push_back(std::pow(10.0, 3.6 + 1e-4 * static_cast<double>(p)));
    }
    parts.layers = {layer};
    const maury::Model model = maury::Model::from_layers(parts);

    maury::Options options;
    options.velocity = maury::Options::Velocity::given;
    options.continuum = false;
    const double truth = 3.0;
    const std::vector<double> flux = model.flux({truth}), ivar(n_pixels, 1e4);
    maury::Fit fit(model, options);
    const maury::Result result = fit(parts.wavelength, flux, ivar);
    std::printf("label %g +- %g, status %s\n", result.labels[0], result.errors[0],
                maury::name_of(result.status));
    try {
        maury::Model::load("there is no such file");
        return 1;
    } catch (const std::runtime_error& error) {
        std::printf("%s\n", error.what());
    }
    return std::abs(result.labels[0] - truth) < 1e-6 && result.converged ? 0 : 1;
}

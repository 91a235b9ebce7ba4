#include "emulator_checks.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace maury {

void require(bool good, const std::string& message) {
    if (!good)
        throw std::invalid_argument(message);
}

void check_numbers(const std::string& name, const std::vector<double>& values, std::size_t size) {
    require(values.size() == size,
            name + ": expected " + std::to_string(size) + " values, got " + std::to_string(values.size()));
    const auto bad = std::count_if(values.begin(), values.end(), [](double v) { return !std::isfinite(v); });
    require(bad == 0, name + ": " + std::to_string(bad) + " of " + std::to_string(size) +
                          " values are not finite (NaN or infinity)");
}

void check_layers(const std::vector<Layer>& layers, std::size_t n_labels) {
    require(!layers.empty(), "weights: at least one layer is needed, got none");
    std::size_t n_in = n_labels;
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const Layer& layer = layers[i];
        const std::string name = "[" + std::to_string(i) + "]";
        require(layer.n_in == n_in, "weights" + name + ": expected " + std::to_string(n_in) +
                                        " columns, as many as the labels or the layer before give, got " +
                                        std::to_string(layer.n_in));
        require(layer.n_out > 0, "weights" + name + ": expected at least one row, got none");
        require(layer.weight.size() == layer.n_out * layer.n_in,
                "weights" + name + ": size is not rows times columns");
        require(layer.bias.size() == layer.n_out,
                "biases" + name + ": expected " + std::to_string(layer.n_out) +
                    " values, one a row of the weight, got " + std::to_string(layer.bias.size()));
        check_numbers("weights" + name, layer.weight, layer.weight.size());
        check_numbers("biases" + name, layer.bias, layer.bias.size());
        n_in = layer.n_out;
    }
    require(layers.back().activation == Activation::identity,
            "activations: the last layer gives the flux and must be 'identity'");
}

void check_cut(const Cut& cut, std::size_t n_inputs, std::size_t n_pixels) {
    check_numbers("cut: projection", cut.projection, cut.rank * n_inputs);
    check_numbers("cut: centre", cut.centre, n_inputs);
    check_numbers("cut: basis", cut.basis, n_pixels * cut.rank);
    check_numbers("cut: mean", cut.mean, n_pixels);
}

} // namespace maury

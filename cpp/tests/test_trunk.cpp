// The trunk in double against plain loops, and in float32, side by side, against that.
#include "activation.hpp"
#include "check.hpp"
#include "level.hpp"
#include "maury/trunk.hpp"

#include <algorithm>
#include <random>

namespace {

using maury::Activation;
using maury::Layer;
using maury::Trunk;

std::vector<Layer> random_layers(const std::vector<std::size_t>& sizes, Activation activation,
                                 unsigned seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    std::vector<Layer> layers;
    for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
        Layer layer{sizes[i + 1], sizes[i], {}, {}, activation};
        const double spread = 1.5 / std::sqrt(static_cast<double>(sizes[i]));
        for (std::size_t k = 0; k < layer.n_out * layer.n_in; ++k)
            layer.weight.push_back(static_cast<double>(static_cast<float>(spread * normal(random))));
        for (std::size_t k = 0; k < layer.n_out; ++k)
            layer.bias.push_back(static_cast<double>(static_cast<float>(normal(random))));
        layers.push_back(layer);
    }
    return layers;
}

std::vector<double> plain(const std::vector<Layer>& layers, std::vector<double> values) {
    for (const Layer& layer : layers) {
        std::vector<double> out(layer.bias), slopes(layer.n_out);
        for (std::size_t i = 0; i < layer.n_out; ++i)
            for (std::size_t k = 0; k < layer.n_in; ++k)
                out[i] += layer.weight[i * layer.n_in + k] * values[k];
        maury::activate(layer.activation, out.data(), slopes.data(), layer.n_out);
        values = out;
    }
    return values;
}

void in_double(const std::vector<std::size_t>& sizes, Activation activation) {
    const std::vector<Layer> layers = random_layers(sizes, activation, 3);
    const Trunk trunk(sizes[0], layers);
    maury::TrunkPoint point(trunk);
    const std::size_t n_labels = trunk.n_labels(), n = trunk.n_coefficients();
    CHECK(n == sizes.back() && point.stride() >= n);
    std::vector<double> x;
    for (std::size_t l = 0; l < n_labels; ++l)
        x.push_back(0.1 * static_cast<double>(l) - 0.13);
    for (int round = 0; round < 2; ++round) { // the second at another place, into used memory
        const std::vector<double> wanted = plain(layers, x);
        const double* h = point.coefficients(x.data());
        const double* tangents = point.tangents();
        for (std::size_t k = 0; k < point.stride(); ++k)
            CHECK_NEAR(h[k], k < n ? wanted[k] : 0.0, 1e-12);
        for (std::size_t l = 0; l < n_labels; ++l) {
            std::vector<double> high = x, low = x;
            high[l] += 1e-5;
            low[l] -= 1e-5;
            const std::vector<double> above = plain(layers, high), below = plain(layers, low);
            for (std::size_t k = 0; k < point.stride(); ++k) {
                CHECK_NEAR(tangents[l * point.stride() + k], k < n ? (above[k] - below[k]) / 2e-5 : 0.0,
                           1e-6);
            }
        }
        CHECK(point.coefficients(x.data()) == h); // asked again: kept
        x[0] += 0.05;
    }
}

void in_single(const std::vector<std::size_t>& sizes, Activation activation) {
    const std::vector<Layer> layers = random_layers(sizes, activation, 4);
    const Trunk trunk(sizes[0], layers);
    const std::size_t n_labels = trunk.n_labels(), n = trunk.n_coefficients(), most = 9;
    maury::TrunkPoint point(trunk);
    maury::TrunkColumns columns(trunk, most);
    std::mt19937_64 random(9);
    std::uniform_real_distribution<double> uniform(-0.5, 0.5);
    for (std::size_t count = 1; count <= most; ++count) {
        std::vector<double> x(count * n_labels);
        for (double& value : x)
            value = uniform(random);
        std::vector<float> h(count * n), tangents(n_labels * n);
        columns.coefficients(x.data(), count, h.data());
        for (std::size_t i = 0; i < count; ++i) {
            const double* wanted = point.coefficients(&x[i * n_labels]);
            double largest = 1.0;
            for (std::size_t k = 0; k < n; ++k)
                largest = std::max(largest, std::abs(wanted[k]));
            for (std::size_t k = 0; k < n; ++k)
                CHECK_NEAR(h[i * n + k], wanted[k], 3e-6 * largest);
            columns.tangents(i, tangents.data());
            const double* slopes = point.tangents();
            for (std::size_t l = 0; l < n_labels; ++l)
                for (std::size_t k = 0; k < n; ++k)
                    CHECK_NEAR(tangents[l * n + k], slopes[l * point.stride() + k], 2e-5 * largest);
        }
    }
}

} // namespace

int main() {
    if (level_is_missing())
        return skipped;
    for (const Activation activation :
         {Activation::silu, Activation::tanh, Activation::gelu, Activation::sigmoid})
        for (const auto& sizes : std::vector<std::vector<std::size_t>>{
                 {3}, {1, 5}, {2, 16, 1}, {5, 30, 47, 13}, {4, 64, 64, 20, 48}}) {
            in_double(sizes, activation);
            in_single(sizes, activation);
        }
    return check::report();
}

// Random networks for the tests.
#pragma once

#include "maury/emulator.hpp"

#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

// sizes: labels, hidden units..., pixels. Flux around 1.
inline maury::Emulator random_network(const std::vector<std::size_t>& sizes, maury::Activation activation,
                                      unsigned seed, std::vector<maury::Transform> transforms = {}) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    std::vector<maury::Layer> layers;
    for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
        const bool last = i + 2 == sizes.size();
        const double spread = (last ? 0.3 : 1.5) / std::sqrt(static_cast<double>(sizes[i]));
        maury::Layer layer{sizes[i + 1], sizes[i], {}, {}, last ? maury::Activation::identity : activation};
        for (std::size_t k = 0; k < layer.n_out * layer.n_in; ++k)
            layer.weight.push_back(spread * normal(random));
        for (std::size_t k = 0; k < layer.n_out; ++k)
            layer.bias.push_back(last ? 1.0 : 0.5 * normal(random));
        layers.push_back(layer);
    }
    transforms.resize(sizes[0], maury::Transform::linear);
    std::vector<double> label_min, label_max;
    for (const maury::Transform transform : transforms) {
        label_min.push_back(transform == maury::Transform::log10 ? 3000.0 : -1.0);
        label_max.push_back(transform == maury::Transform::log10 ? 30000.0 : 2.0);
    }
    return {transforms, label_min, label_max, layers};
}

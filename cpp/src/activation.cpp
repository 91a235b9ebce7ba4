#include "activation.hpp"

#include <cmath>
#include <stdexcept>

namespace maury {
namespace {

// each(z, slope) returns the activation of z and sets its slope.
template <typename Each> void for_each(double* value, double* slope, std::size_t n, Each each) {
    for (std::size_t i = 0; i < n; ++i)
        value[i] = each(value[i], slope[i]);
}

double sigmoid(double z) { return 1.0 / (1.0 + std::exp(-z)); }

} // namespace

void activate(Activation activation, double* value, double* slope, std::size_t n) {
    switch (activation) {
    case Activation::identity:
        return for_each(value, slope, n, [](double z, double& s) {
            s = 1.0;
            return z;
        });
    case Activation::relu:
        return for_each(value, slope, n, [](double z, double& s) {
            s = z > 0.0 ? 1.0 : 0.0;
            return z * s;
        });
    case Activation::leaky_relu:
        return for_each(value, slope, n, [](double z, double& s) {
            s = z > 0.0 ? 1.0 : 0.01;
            return z * s;
        });
    case Activation::silu:
        return for_each(value, slope, n, [](double z, double& s) {
            const double gate = sigmoid(z);
            s = gate * (1.0 + z * (1.0 - gate));
            return z * gate;
        });
    case Activation::tanh:
        return for_each(value, slope, n, [](double z, double& s) {
            const double t = std::tanh(z);
            s = 1.0 - t * t;
            return t;
        });
    case Activation::sigmoid:
        return for_each(value, slope, n, [](double z, double& s) {
            const double gate = sigmoid(z);
            s = gate * (1.0 - gate);
            return gate;
        });
    case Activation::gelu:
        return for_each(value, slope, n, [](double z, double& s) {
            constexpr double inverse_sqrt_2 = 0.70710678118654752440,
                             inverse_sqrt_2pi = 0.39894228040143267794;
            const double integral = 0.5 * std::erfc(-z * inverse_sqrt_2);
            s = integral + z * inverse_sqrt_2pi * std::exp(-0.5 * z * z);
            return z * integral;
        });
    }
}

Activation activation_from_name(const std::string& name) {
    const char* const names[] = {"identity", "relu", "leaky_relu", "silu", "tanh", "sigmoid", "gelu"};
    for (int i = 0; i < 7; ++i)
        if (name == names[i])
            return static_cast<Activation>(i);
    throw std::invalid_argument("activations: unknown name '" + name +
                                "'; choose identity, relu, leaky_relu, silu, tanh, sigmoid or gelu");
}

} // namespace maury

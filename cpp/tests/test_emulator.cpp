// The forward pass against a plain loop, the Jacobian against central differences, and what is refused.
#include "check.hpp"
#include "level.hpp"
#include "networks.hpp"

#include <limits>
#include <stdexcept>

using maury::Activation;
using maury::Emulator;
using maury::Layer;
using maury::Transform;

namespace {

const Activation activations[] = {Activation::identity, Activation::relu, Activation::leaky_relu,
                                  Activation::silu,     Activation::tanh, Activation::sigmoid,
                                  Activation::gelu};

// From the definitions, in other words than the library's.
double plain(Activation activation, double z) {
    switch (activation) {
    case Activation::identity:
        return z;
    case Activation::relu:
        return std::max(z, 0.0);
    case Activation::leaky_relu:
        return std::max(z, 0.01 * z);
    case Activation::silu:
        return 0.5 * z * (1.0 + std::tanh(0.5 * z));
    case Activation::tanh:
        return std::sinh(z) / std::cosh(z);
    case Activation::sigmoid:
        return 0.5 * (1.0 + std::tanh(0.5 * z));
    case Activation::gelu:
        return 0.5 * z * (1.0 + std::erf(z / std::sqrt(2.0)));
    }
    return 0.0;
}

void forward() {
    const std::vector<double> w1 = {1.0, -2.0, 0.5, 0.25, -1.0, 3.0}, b1 = {0.1, -0.2, 0.3}; // (3, 2)
    const std::vector<double> w2 = {1.0, 2.0, -1.0, 0.5, 0.0, 1.5}, b2 = {1.0, -1.0};        // (2, 3)
    for (const Activation activation : activations) {
        const Emulator emulator({Transform::linear, Transform::log10}, {0.0, 10.0}, {4.0, 1000.0},
                                {{3, 2, w1, b1, activation}, {2, 3, w2, b2, Activation::identity}});
        CHECK(emulator.n_labels() == 2 && emulator.n_pixels() == 2);
        Emulator::Workspace work(emulator);
        const double labels[] = {3.0, 200.0}, x[] = {0.25, (std::log10(200.0) - 1.0) / 2.0 - 0.5};
        double flux[2];
        emulator.flux(labels, work, flux);
        for (std::size_t p = 0; p < 2; ++p) {
            double wanted = b2[p];
            for (std::size_t h = 0; h < 3; ++h)
                wanted += w2[3 * p + h] * plain(activation, w1[2 * h] * x[0] + w1[2 * h + 1] * x[1] + b1[h]);
            CHECK_NEAR(flux[p], wanted, 1e-14);
        }
    }
}

void jacobian(const std::vector<std::size_t>& sizes, Activation activation) {
    const Emulator emulator = random_network(sizes, activation, 7, {Transform::log10});
    const std::size_t n_labels = emulator.n_labels(), n_pixels = emulator.n_pixels();
    Emulator::Workspace work(emulator);
    std::vector<double> labels(n_labels, 0.4), exact(n_pixels * n_labels), high(n_pixels), low(n_pixels);
    labels[0] = 7000.0;
    emulator.jacobian(labels.data(), work, exact.data());
    for (std::size_t l = 0; l < n_labels; ++l) {
        const double step = l == 0 ? 0.05 : 1e-5, middle = labels[l];
        labels[l] = middle + step;
        emulator.flux(labels.data(), work, high.data());
        labels[l] = middle - step;
        emulator.flux(labels.data(), work, low.data());
        labels[l] = middle;
        for (std::size_t p = 0; p < n_pixels; ++p)
            CHECK_NEAR(exact[p * n_labels + l] * step, (high[p] - low[p]) / 2.0, 2e-10);
    }
}

void scaling() {
    const Emulator emulator = random_network({2, 3}, Activation::identity, 1, {Transform::log10});
    const double low[] = {3000.0, -1.0}, high[] = {30000.0, 2.0};
    double x[2], labels[2], slope[2];
    emulator.to_scaled(low, x);
    CHECK_NEAR(x[0], -0.5, 1e-15);
    CHECK_NEAR(x[1], -0.5, 1e-15);
    emulator.to_scaled(high, x);
    CHECK_NEAR(x[0], 0.5, 1e-15);
    CHECK_NEAR(x[1], 0.5, 1e-15);
    emulator.to_labels(x, labels);
    CHECK_NEAR(labels[0], 30000.0, 1e-9);
    CHECK_NEAR(labels[1], 2.0, 1e-14);
    emulator.scale(labels, slope);
    CHECK_NEAR(slope[0], 1.0 / (30000.0 * std::log(10.0)), 1e-18);
    CHECK_NEAR(slope[1], 1.0 / 3.0, 1e-15);
    const double outside[] = {-5.0, 0.0};
    Emulator::Workspace work(emulator);
    double flux[3];
    emulator.flux(outside, work, flux);
    CHECK(std::isnan(flux[0]));
}

void refuses() {
    const std::vector<Transform> one = {Transform::linear};
    const Layer good{2, 1, {1.0, 2.0}, {0.0, 0.0}, Activation::identity};
    const Emulator fine(one, {0.0}, {1.0}, {good});
    CHECK_THROWS(Emulator({}, {}, {}, {good}), std::invalid_argument);
    CHECK_THROWS(Emulator(one, {0.0}, {1.0}, {}), std::invalid_argument);
    CHECK_THROWS(Emulator(one, {1.0}, {1.0}, {good}), std::invalid_argument);
    CHECK_THROWS(Emulator(one, {0.0, 0.0}, {1.0}, {good}), std::invalid_argument);
    CHECK_THROWS(Emulator(one, {0.0}, {1.0, 1.0}, {good}), std::invalid_argument);
    CHECK_THROWS(Emulator({Transform::log10}, {0.0}, {1.0}, {good}), std::invalid_argument);
    CHECK_THROWS(Emulator(one, {0.0}, {1.0}, {good, good}), std::invalid_argument); // sizes do not chain
    const double bad = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS(Emulator(one, {0.0}, {1.0}, {{2, 1, {1.0, bad}, {0.0, 0.0}, Activation::identity}}),
                 std::invalid_argument);
    CHECK_THROWS(Emulator(one, {0.0}, {1.0}, {{2, 1, {1.0}, {0.0, 0.0}, Activation::identity}}),
                 std::invalid_argument);
    CHECK_THROWS(Emulator(one, {0.0}, {1.0}, {{2, 1, {1.0, 1.0}, {0.0}, Activation::identity}}),
                 std::invalid_argument);
    CHECK_THROWS(Emulator(one, {0.0}, {1.0}, {{2, 1, {1.0, 2.0}, {0.0, 0.0}, Activation::relu}}),
                 std::invalid_argument);
    CHECK_THROWS(maury::activation_from_name("softplus"), std::invalid_argument);
    CHECK_THROWS(maury::transform_from_name("sqrt"), std::invalid_argument);
    CHECK(maury::activation_from_name("gelu") == Activation::gelu);
}

} // namespace

int main() {
    if (level_is_missing())
        return skipped;
    forward();
    for (const Activation activation : activations) // sizes off the kernels' panels on purpose
        for (const auto& sizes :
             std::vector<std::vector<std::size_t>>{{3, 17}, {1, 5, 9}, {4, 11, 8, 33}, {5, 24, 13, 7, 3, 20}})
            jacobian(sizes, activation);
    scaling();
    refuses();
    return check::report();
}

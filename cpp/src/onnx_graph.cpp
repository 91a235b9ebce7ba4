#include "onnx_graph.hpp"

#include "label_space.hpp"
#include "maury/maury.hpp"
#include "onnx_values.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace maury {
namespace {

// Largest difference of flux, and of the Jacobian times the label range; relative where they exceed 1.
constexpr double tolerance = 1e-4;
constexpr std::size_t n_probes = 8; // labels at which they are compared

void check_ends(const std::vector<OnnxValue>& values,
                const std::map<std::string, std::vector<std::int64_t>>& wanted, const std::string& what) {
    bool good = values.size() == wanted.size();
    for (const OnnxValue& value : values) {
        const auto found = wanted.find(value.name);
        good = good && found != wanted.end() && value.type == OnnxTensor::float32 && value.has_shape &&
               value.dims == found->second;
    }
    for (const auto& [name, dims] : wanted)
        good = good && std::any_of(values.begin(), values.end(),
                                   [&, &n = name](const OnnxValue& value) { return value.name == n; });
    if (!good)
        throw EmulatorFileError("its graph must have the " + what +
                                " of an emulator, float32 of as many labels and pixels as the layers");
}

// (n_probes, L) in the scaling range, always the same, rounded to float32.
std::vector<float> probe_labels(const ModelParts& parts) {
    const std::vector<double> labels =
        spread_labels(parts.label_min, parts.label_max, parts.transforms, n_probes);
    return {labels.begin(), labels.end()};
}

// Rows (n_probes, size) that agree; a row that holds NaN does not.
std::size_t n_alike(const std::vector<float>& graph, const std::vector<double>& network,
                    const std::vector<double>& scale, double& worst) {
    std::size_t alike = 0;
    const std::size_t size = network.size() / n_probes;
    for (std::size_t i = 0; i < n_probes; ++i) {
        double largest = 1.0, difference = 0.0;
        for (std::size_t k = 0; k < size; ++k) {
            const double unit = scale[k % scale.size()], here = network[i * size + k] * unit;
            largest = std::max(largest, std::abs(here));
            const double apart = std::abs(static_cast<double>(graph[i * size + k]) * unit - here);
            difference = difference >= apart ? difference : apart; // keeps NaN
        }
        alike += difference / largest <= tolerance;
        worst = worst >= difference / largest ? worst : difference / largest;
    }
    return alike;
}

} // namespace

void check_graph(const OnnxFile& file, const ModelParts& parts, const Emulator& emulator) {
    const std::size_t n_labels = parts.labels.size(), n_pixels = parts.wavelength.size();
    const auto l = static_cast<std::int64_t>(n_labels), p = static_cast<std::int64_t>(n_pixels);
    check_ends(file.inputs, {{"labels", {-1, l}}}, "input labels");
    check_ends(file.outputs, {{"flux", {-1, p}}, {"jacobian", {-1, p, l}}}, "outputs flux and jacobian");

    std::size_t widest = n_labels, largest = 0;
    for (const Layer& layer : parts.layers) {
        widest = std::max(widest, layer.n_out);
        largest = std::max(largest, layer.weight.size());
    }
    largest = std::max(largest, n_probes * n_labels * widest);
    const std::vector<float> probes = probe_labels(parts);
    OnnxValues values(file, largest);
    values.set("labels", {static_cast<std::int64_t>(n_probes), l}, probes);
    values.run();

    std::vector<double> labels(probes.begin(), probes.end()), flux(n_probes * n_pixels),
        jacobian(n_probes * n_pixels * n_labels), span;
    Emulator::Workspace work(emulator);
    for (std::size_t i = 0; i < n_probes; ++i) {
        emulator.flux(&labels[i * n_labels], work, &flux[i * n_pixels]);
        emulator.jacobian(&labels[i * n_labels], work, &jacobian[i * n_pixels * n_labels]);
    }
    for (std::size_t k = 0; k < n_labels; ++k)
        span.push_back(parts.label_max[k] - parts.label_min[k]);
    // Rounding may move the step of a (leaky) ReLU to either side of zero: one such label is tolerated.
    const bool steps = std::any_of(parts.layers.begin(), parts.layers.end(), [](const Layer& layer) {
        return layer.activation == Activation::relu || layer.activation == Activation::leaky_relu;
    });
    double worst = 0.0;
    const bool good = n_alike(values.numbers("flux", {static_cast<std::int64_t>(n_probes), p}), flux, {1.0},
                              worst) == n_probes &&
                      n_alike(values.numbers("jacobian", {static_cast<std::int64_t>(n_probes), p, l}),
                              jacobian, span, worst) >= n_probes - (steps ? 1 : 0);
    if (!good)
        throw EmulatorFileError("its graph, evaluated in float32, differs by " + std::to_string(worst) +
                                " from its layers and scaling (at most 0.0001 is allowed): the graph was "
                                "changed, or the numbers are too extreme for float32");
}

} // namespace maury

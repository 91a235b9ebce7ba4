#include "maury/emulator.hpp"

#include "activation.hpp"
#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace maury {
namespace {

double apply(Transform transform, double label) {
    return transform == Transform::log10 ? std::log10(label) : label;
}

void require(bool good, const std::string& message) {
    if (!good)
        throw std::invalid_argument(message);
}

bool all_finite(const std::vector<double>& values) {
    return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
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
        require(all_finite(layer.weight), "weights" + name + ": all values must be finite");
        require(all_finite(layer.bias), "biases" + name + ": all values must be finite");
        n_in = layer.n_out;
    }
    require(layers.back().activation == Activation::identity,
            "activations: the last layer gives the flux and must be 'identity'");
}

} // namespace

Emulator::Emulator(std::vector<Transform> transforms, std::vector<double> label_min,
                   std::vector<double> label_max, const std::vector<Layer>& layers)
    : transforms_(std::move(transforms)), label_min_(std::move(label_min)), label_max_(std::move(label_max)) {
    const std::size_t n = transforms_.size();
    require(n > 0, "transforms: at least one label is needed, got none");
    require(label_min_.size() == n, "label_min: expected one value a label, " + std::to_string(n) + ", got " +
                                        std::to_string(label_min_.size()));
    require(label_max_.size() == n, "label_max: expected one value a label, " + std::to_string(n) + ", got " +
                                        std::to_string(label_max_.size()));
    for (std::size_t l = 0; l < n; ++l) {
        const double low = apply(transforms_[l], label_min_[l]), high = apply(transforms_[l], label_max_[l]);
        require(std::isfinite(low) && std::isfinite(high) && low < high,
                "label_min, label_max: label " + std::to_string(l) +
                    " needs finite label_min < label_max, both positive for a log10 transform");
        origin_.push_back(low);
        inverse_range_.push_back(1.0 / (high - low));
    }
    check_layers(layers, n);
    widest_ = n;
    for (const Layer& layer : layers) {
        Packed packed{layer.n_out, layer.n_in, {}, layer.bias, layer.activation};
        packed.weight.resize(simd::padded(layer.n_out) * layer.n_in);
        simd::pack(layer.weight.data(), layer.n_out, layer.n_in, packed.weight.data());
        widest_ = std::max(widest_, layer.n_in);
        layers_.push_back(std::move(packed));
    }
}

Emulator::Workspace::Workspace(const Emulator& emulator) {
    const std::size_t n_labels = emulator.n_labels();
    for (const Packed& layer : emulator.layers_) {
        values.emplace_back(layer.n_in);
        slopes.emplace_back(layer.n_in);
    }
    tangents_in.resize(n_labels * emulator.widest_);
    tangents_out.resize(n_labels * emulator.widest_);
    x.resize(n_labels);
    jacobian.resize(n_labels * emulator.n_pixels());
}

// Leaves the coefficients in the last of work.values.
void Emulator::run_trunk(const double* x, Workspace& work) const {
    std::copy_n(x, n_labels(), work.values[0].begin());
    for (std::size_t i = 0; i + 1 < layers_.size(); ++i) {
        const Packed& layer = layers_[i];
        double* out = work.values[i + 1].data();
        simd::affine(layer.weight.data(), layer.bias.data(), layer.n_out, layer.n_in, work.values[i].data(),
                     layer.n_in, 1, out, layer.n_out);
        activate(layer.activation, out, work.slopes[i + 1].data(), layer.n_out);
    }
}

// Forward tangents, one column a label: T_0 = 1, T_{i+1} = diag(slope) W T_i. Leaves them in tangents_in.
void Emulator::run_tangents(Workspace& work) const {
    const std::size_t n = n_labels();
    std::fill_n(work.tangents_in.begin(), n * n, 0.0);
    for (std::size_t l = 0; l < n; ++l)
        work.tangents_in[l * n + l] = 1.0;
    for (std::size_t i = 0; i + 1 < layers_.size(); ++i) {
        const Packed& layer = layers_[i];
        double* out = work.tangents_out.data();
        simd::affine(layer.weight.data(), nullptr, layer.n_out, layer.n_in, work.tangents_in.data(),
                     layer.n_in, n, out, layer.n_out);
        const std::vector<double>& slope = work.slopes[i + 1];
        for (std::size_t l = 0; l < n; ++l)
            for (std::size_t j = 0; j < layer.n_out; ++j)
                out[l * layer.n_out + j] *= slope[j];
        std::swap(work.tangents_in, work.tangents_out);
    }
}

void Emulator::flux_scaled(const double* x, Workspace& work, double* flux) const {
    run_trunk(x, work);
    const Packed& last = layers_.back();
    simd::affine(last.weight.data(), last.bias.data(), last.n_out, last.n_in, work.values.back().data(),
                 last.n_in, 1, flux, last.n_out);
}

void Emulator::jacobian_scaled(Workspace& work, double* jacobian) const {
    run_tangents(work);
    const Packed& last = layers_.back();
    simd::affine(last.weight.data(), nullptr, last.n_out, last.n_in, work.tangents_in.data(), last.n_in,
                 n_labels(), jacobian, last.n_out);
}

void Emulator::coefficients_scaled(const double* x, Workspace& work, double* coefficients) const {
    run_trunk(x, work);
    std::copy(work.values.back().begin(), work.values.back().end(), coefficients);
}

void Emulator::tangents_scaled(Workspace& work, double* tangents) const {
    run_tangents(work);
    std::copy_n(work.tangents_in.begin(), n_labels() * n_coefficients(), tangents);
}

void Emulator::basis(double* basis) const {
    const Packed& last = layers_.back();
    simd::unpack(last.weight.data(), last.n_out, last.n_in, basis);
}

void Emulator::flux(const double* labels, Workspace& work, double* flux) const {
    to_scaled(labels, work.x.data());
    flux_scaled(work.x.data(), work, flux);
}

void Emulator::jacobian(const double* labels, Workspace& work, double* jacobian) const {
    const std::size_t n = n_labels(), n_pix = n_pixels();
    flux(labels, work, jacobian); // a place to put P values; overwritten below
    jacobian_scaled(work, work.jacobian.data());
    scale(labels, work.x.data());
    for (std::size_t p = 0; p < n_pix; ++p)
        for (std::size_t l = 0; l < n; ++l)
            jacobian[p * n + l] = work.jacobian[l * n_pix + p] * work.x[l];
}

void Emulator::to_scaled(const double* labels, double* x) const {
    for (std::size_t l = 0; l < n_labels(); ++l)
        x[l] = (apply(transforms_[l], labels[l]) - origin_[l]) * inverse_range_[l] - 0.5;
}

void Emulator::to_labels(const double* x, double* labels) const {
    for (std::size_t l = 0; l < n_labels(); ++l) {
        const double value = (x[l] + 0.5) / inverse_range_[l] + origin_[l];
        labels[l] = transforms_[l] == Transform::log10 ? std::pow(10.0, value) : value;
    }
}

void Emulator::scale(const double* labels, double* dx_dlabel) const {
    constexpr double ln10 = 2.302585092994045684;
    for (std::size_t l = 0; l < n_labels(); ++l)
        dx_dlabel[l] =
            transforms_[l] == Transform::log10 ? inverse_range_[l] / (labels[l] * ln10) : inverse_range_[l];
}

} // namespace maury

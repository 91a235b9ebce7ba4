#include "maury/emulator.hpp"

#include "emulator_checks.hpp"
#include "maury/instrument.hpp"
#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace maury {
namespace {

double apply(Transform transform, double label) {
    return transform == Transform::log10 ? std::log10(label) : label;
}

// (n_rows, n) -> (n_rows, padded(n)) float32
Aligned<float> padded_rows(const std::vector<double>& values, std::size_t n) {
    const std::size_t n_rows = values.size() / n, stride = simd::padded(n);
    Aligned<float> rows(n_rows * stride);
    for (std::size_t p = 0; p < n_rows; ++p)
        std::copy_n(&values[p * n], n, &rows[p * stride]);
    return rows;
}

// The layers that give a cut its coefficients: those before the last, and the projection.
std::vector<Layer> cut_layers(const std::vector<Layer>& layers, const Cut& cut) {
    std::vector<Layer> all(layers.begin(), layers.end() - 1);
    const std::size_t n = cut.centre.size();
    Layer projection{cut.rank, n, cut.projection, std::vector<double>(cut.rank), Activation::identity};
    for (std::size_t k = 0; k < cut.rank; ++k)
        for (std::size_t i = 0; i < n; ++i)
            projection.bias[k] -= cut.projection[k * n + i] * cut.centre[i];
    all.push_back(std::move(projection));
    return all;
}

const std::vector<Layer>& checked(const std::vector<Layer>& layers, std::size_t n_labels) {
    require(n_labels > 0, "transforms: at least one label is needed, got none");
    check_layers(layers, n_labels);
    return layers;
}

} // namespace

Transform transform_from_name(const std::string& name) {
    if (name == "linear")
        return Transform::linear;
    if (name == "log10")
        return Transform::log10;
    throw std::invalid_argument("transforms: unknown name '" + name + "'; choose linear or log10");
}

Emulator::Emulator(std::vector<Transform> transforms, std::vector<double> label_min,
                   std::vector<double> label_max, const std::vector<Layer>& layers, const Cut& cut)
    : transforms_(std::move(transforms)), label_min_(std::move(label_min)), label_max_(std::move(label_max)),
      trunk_(transforms_.size(), {checked(layers, transforms_.size()).begin(), layers.end() - 1}),
      rows_(padded_rows(layers.back().weight, n_inputs())), bias_(layers.back().bias),
      basis_{n_inputs(), simd::padded(n_inputs()), rows_.data(), {}, {}} {
    const std::size_t n = transforms_.size();
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
    if (cut.rank > 0) {
        check_cut(cut, n_inputs(), n_pixels());
        cut_trunk_ = std::make_unique<const Trunk>(n, cut_layers(layers, cut));
        cut_rows_ = padded_rows(cut.basis, cut.rank);
        basis_ = {cut.rank, simd::padded(cut.rank), cut_rows_.data(), cut.mean,
                  std::vector<double>(cut.rank)};
        return;
    }
    Workspace work(*this);
    const std::vector<double> middle_of_range(n, 0.0);
    basis_.mean.resize(n_pixels());
    basis_.middle.resize(n_inputs());
    flux_scaled(middle_of_range.data(), work, basis_.mean.data());
    std::copy_n(work.point.coefficients(middle_of_range.data()), n_inputs(), basis_.middle.begin());
}

Emulator::Workspace::Workspace(const Emulator& emulator)
    : point(emulator.trunk_), x(emulator.n_labels()), jacobian(emulator.n_labels() * emulator.n_pixels()) {}

void Emulator::flux_scaled(const double* x, Workspace& work, double* flux) const {
    const double* activations = work.point.coefficients(x);
    simd::kernels().expand(rows_.data(), work.point.stride(), n_pixels(), activations, 1, bias_.data(), flux,
                           n_pixels());
}

void Emulator::jacobian_scaled(Workspace& work, double* jacobian) const {
    simd::kernels().expand(rows_.data(), work.point.stride(), n_pixels(), work.point.tangents(), n_labels(),
                           nullptr, jacobian, n_pixels());
}

const Spline& Emulator::spline() const {
    std::call_once(spline_made_, [this] {
        const auto of_rows = [n = n_pixels()](const float* rows, std::size_t stride) {
            std::vector<double> values(rows, rows + n * stride);
            spline_coefficients(values.data(), n, stride);
            Aligned<float> coefficients(values.begin(), values.end());
            coefficients.resize((n + Instrument::pad) * stride);
            return coefficients;
        };
        auto spline = std::make_unique<Spline>();
        spline->rows = of_rows(rows_.data(), simd::padded(n_inputs()));
        if (is_cut())
            spline->cut_rows = of_rows(cut_rows_.data(), basis_.stride);
        spline->bias = bias_;
        spline->mean = basis_.mean;
        spline_coefficients(spline->bias.data(), n_pixels(), 1);
        spline_coefficients(spline->mean.data(), n_pixels(), 1);
        spline->mean.resize(n_pixels() + Instrument::pad);
        spline_ = std::move(spline);
    });
    return *spline_;
}

void Emulator::flux(const double* labels, Workspace& work, double* flux) const {
    to_scaled(labels, work.x.data());
    flux_scaled(work.x.data(), work, flux);
}

void Emulator::jacobian(const double* labels, Workspace& work, double* jacobian) const {
    const std::size_t n = n_labels(), n_pix = n_pixels();
    to_scaled(labels, work.x.data());
    work.point.coefficients(work.x.data());
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

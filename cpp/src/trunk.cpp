#include "maury/trunk.hpp"

#include "activation.hpp"
#include "simd/kernels.hpp"

#include <algorithm>

namespace maury {
namespace {

template <typename Number> void set_identity(Number* matrix, std::size_t n) {
    std::fill_n(matrix, n * n, Number{0});
    for (std::size_t i = 0; i < n; ++i)
        matrix[i * n + i] = Number{1};
}

template <typename Number, typename Slope>
void scale_rows(Number* matrix, std::size_t n_rows, std::size_t n, const Slope* by) {
    for (std::size_t l = 0; l < n_rows; ++l)
        for (std::size_t j = 0; j < n; ++j)
            matrix[l * n + j] *= static_cast<Number>(by[j]);
}

} // namespace

Trunk::Trunk(std::size_t n_labels, const std::vector<Layer>& layers)
    : n_labels_(n_labels), widest_(n_labels) {
    for (const Layer& layer : layers) {
        Packed packed{layer.n_out, layer.n_in, {}, {}, layer.bias, layer.activation};
        packed.weight.resize(simd::padded(layer.n_out) * layer.n_in);
        packed.bias_single.assign(layer.bias.begin(), layer.bias.end());
        const std::vector<float> weight(layer.weight.begin(), layer.weight.end());
        simd::pack(weight.data(), layer.n_out, layer.n_in, packed.weight.data());
        widest_ = std::max(widest_, layer.n_out);
        layers_.push_back(std::move(packed));
    }
}

TrunkPoint::TrunkPoint(const Trunk& trunk)
    : trunk_(trunk), stride_(simd::padded(trunk.n_coefficients())), x_(trunk.n_labels_),
      in_((1 + trunk.n_labels_) * trunk.widest_), out_(in_.size()), columns_((1 + trunk.n_labels_) * stride_) {
    for (const Trunk::Packed& layer : trunk.layers_)
        slopes_.emplace_back(layer.n_out);
}

const double* TrunkPoint::coefficients(const double* x) {
    if (known_ && std::equal(x_.begin(), x_.end(), x))
        return columns_.data();
    std::copy_n(x, x_.size(), x_.begin());
    std::copy_n(x, x_.size(), in_.begin());
    for (std::size_t i = 0; i < trunk_.layers_.size(); ++i) {
        const Trunk::Packed& layer = trunk_.layers_[i];
        simd::kernels().affine(layer.weight.data(), layer.bias.data(), layer.n_out, layer.n_in, in_.data(),
                               layer.n_in, 1, out_.data(), layer.n_out);
        activate(layer.activation, out_.data(), slopes_[i].data(), layer.n_out);
        in_.swap(out_);
    }
    std::copy_n(in_.begin(), trunk_.n_coefficients(), columns_.begin());
    known_ = true;
    tangents_known_ = false;
    return columns_.data();
}

// Forward tangents, one column a label: T_0 = 1, T_{i+1} = diag(slope) W T_i.
const double* TrunkPoint::tangents() {
    const std::size_t n_labels = trunk_.n_labels_, n = trunk_.n_coefficients();
    if (tangents_known_)
        return &columns_[stride_];
    set_identity(in_.data(), n_labels);
    for (std::size_t i = 0; i < trunk_.layers_.size(); ++i) {
        const Trunk::Packed& layer = trunk_.layers_[i];
        simd::kernels().affine(layer.weight.data(), nullptr, layer.n_out, layer.n_in, in_.data(), layer.n_in,
                               n_labels, out_.data(), layer.n_out);
        scale_rows(out_.data(), n_labels, layer.n_out, slopes_[i].data());
        in_.swap(out_);
    }
    for (std::size_t l = 0; l < n_labels; ++l)
        std::copy_n(&in_[l * n], n, &columns_[(1 + l) * stride_]);
    tangents_known_ = true;
    return &columns_[stride_];
}

TrunkColumns::TrunkColumns(const Trunk& trunk, std::size_t n)
    : trunk_(trunk), first_(trunk.layers_.empty() ? 0 : n * trunk.layers_[0].n_out),
      in_(trunk.n_labels_ * trunk.widest_), out_(trunk.n_labels_ * trunk.widest_) {
    for (const Trunk::Packed& layer : trunk.layers_) {
        values_.emplace_back(n * layer.n_out);
        slopes_.emplace_back(n * layer.n_out);
    }
}

void TrunkColumns::coefficients(const double* x, std::size_t n, float* h) {
    if (trunk_.layers_.empty()) {
        std::copy_n(x, n * trunk_.n_labels_, h);
        return;
    }
    const Trunk::Packed& first = trunk_.layers_[0];
    simd::kernels().affine(first.weight.data(), first.bias.data(), first.n_out, first.n_in, x, first.n_in, n,
                           first_.data(), first.n_out);
    std::copy_n(first_.begin(), n * first.n_out, values_[0].begin());
    for (std::size_t i = 0; i < trunk_.layers_.size(); ++i) {
        const Trunk::Packed& layer = trunk_.layers_[i];
        if (i > 0)
            simd::kernels().affine_single(layer.weight.data(), layer.bias_single.data(), layer.n_out,
                                          layer.n_in, values_[i - 1].data(), layer.n_in, n, values_[i].data(),
                                          layer.n_out);
        simd::kernels().activate_single(layer.activation, values_[i].data(), slopes_[i].data(),
                                        n * layer.n_out);
    }
    std::copy_n(values_.back().begin(), n * trunk_.n_coefficients(), h);
}

void TrunkColumns::tangents(std::size_t row, float* tangents) {
    const std::size_t n_labels = trunk_.n_labels_;
    set_identity(in_.data(), n_labels);
    for (std::size_t i = 0; i < trunk_.layers_.size(); ++i) {
        const Trunk::Packed& layer = trunk_.layers_[i];
        simd::kernels().affine_single(layer.weight.data(), nullptr, layer.n_out, layer.n_in, in_.data(),
                                      layer.n_in, n_labels, out_.data(), layer.n_out);
        scale_rows(out_.data(), n_labels, layer.n_out, slopes_[i].data() + row * layer.n_out);
        in_.swap(out_);
    }
    std::copy_n(in_.begin(), n_labels * trunk_.n_coefficients(), tangents);
}

} // namespace maury

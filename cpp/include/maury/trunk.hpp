// The trunk of an emulator: labels to K coefficients. In double for what is reported, in float32 for the
// search.
#pragma once

#include "maury/aligned.hpp"
#include "maury/layer.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// x (L,) scaled labels -> h (K,) coefficients. Without layers h is x.
class Trunk {
  public:
    Trunk(std::size_t n_labels, const std::vector<Layer>& layers);

    std::size_t n_labels() const { return n_labels_; }
    std::size_t n_coefficients() const { return layers_.empty() ? n_labels_ : layers_.back().n_out; }

  private:
    friend class TrunkPoint;
    friend class TrunkColumns;
    struct Packed { // a layer with its weight repacked for the matrix product
        std::size_t n_out, n_in;
        Aligned<float> weight, bias_single;
        std::vector<double> bias;
        Activation activation;
    };
    std::size_t n_labels_, widest_;
    std::vector<Packed> layers_;
};

// The trunk at one x, in double; kept while several ask for the same x. One a thread.
class TrunkPoint {
  public:
    explicit TrunkPoint(const Trunk& trunk);

    std::size_t stride() const { return stride_; } // K with padding

    // (stride,), the padding zero: h at x (L,)
    const double* coefficients(const double* x);
    // (L, stride): the tangents at the x of the last call
    const double* tangents();

  private:
    const Trunk& trunk_;
    std::size_t stride_;
    bool known_ = false, tangents_known_ = false;
    std::vector<double> x_, in_, out_;
    std::vector<std::vector<double>> slopes_; // of each layer: d activation / d argument
    Aligned<double> columns_;                 // (1 + L, stride)
};

// The trunk at up to n places side by side, in float32: to about 1e-6 of the largest coefficient.
class TrunkColumns {
  public:
    TrunkColumns(const Trunk& trunk, std::size_t n);

    // x (n, L) -> h (n, K)
    void coefficients(const double* x, std::size_t n, float* h);
    // (L, K) = d h / d x of row i of the last x
    void tangents(std::size_t i, float* tangents);

  private:
    const Trunk& trunk_;
    std::vector<double> first_; // (n, H): the first layer is summed in double, for the sake of small steps
    std::vector<Aligned<float>> values_, slopes_; // (n, H) of each layer
    Aligned<float> in_, out_;
};

} // namespace maury

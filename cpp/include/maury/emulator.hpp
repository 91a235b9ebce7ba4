// The emulator: a fully connected network from labels to normalised flux (Imig et al. 2021, sec. 3.2).
#pragma once

#include "maury/aligned.hpp"
#include "maury/layer.hpp"
#include "maury/trunk.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace maury {

enum class Transform { linear, log10 };

// Throws std::invalid_argument, naming the choices, for a name it does not know.
Transform transform_from_name(const std::string& name);

// The last layer of a network, which is linear, cut to rank K: with a (H,) the activations before it,
//   flux ~ mean + basis h,  h = projection (a - centre).
// Small enough to search with; what is reported comes from the whole layer.
struct Cut {
    std::size_t rank = 0;           // K; 0: no cut
    std::vector<double> projection; // (K, H)
    std::vector<double> centre;     // (H,)
    std::vector<double> basis;      // (P, K)
    std::vector<double> mean;       // (P,)
};

// flux = mean + rows (h - middle), h = trunk(x): the emulator as the search sees it.
struct Basis {
    std::size_t n_coefficients, stride; // K, and K with padding
    const float* rows;                  // (P, stride)
    std::vector<double> mean;           // (P,)
    std::vector<double> middle;         // (K,)
};

// The last layers as coefficients of splines (see instrument.hpp): what an instrument is applied to. Each has
// some rows more than pixels, of zeros.
struct Spline {
    Aligned<float> rows;      // (P + pad, stride) of the whole layer,
    std::vector<double> bias; // (P,) with bias + rows a
    Aligned<float> cut_rows;  // of the basis, if that is a cut
    std::vector<double> mean; // (P + pad,) of the basis
    const float* basis_rows() const { return cut_rows.empty() ? rows.data() : cut_rows.data(); }
};

// A label y is scaled to x = (t(y) - t(y_min)) / (t(y_max) - t(y_min)) - 0.5, with t its transform, before it
// enters the network. L labels, P pixels, H inputs of the last layer.
class Emulator {
  public:
    // Scratch space of one thread. It also remembers the last flux_scaled, for its jacobian_scaled.
    class Workspace {
      public:
        explicit Workspace(const Emulator& emulator);

      private:
        friend class Emulator;
        TrunkPoint point;
        std::vector<double> x, jacobian; // (L,), (L, P): used by the physical-unit calls
    };

    // Throws std::invalid_argument when the layers do not chain, a size or a label range is wrong, a number
    // is not finite, the last layer is not identity or the cut does not fit.
    Emulator(std::vector<Transform> transforms, std::vector<double> label_min, std::vector<double> label_max,
             const std::vector<Layer>& layers, const Cut& cut = {});
    Emulator(const Emulator&) = delete; // basis() points into it
    Emulator& operator=(const Emulator&) = delete;

    std::size_t n_labels() const { return transforms_.size(); }
    std::size_t n_pixels() const { return bias_.size(); }
    std::size_t n_inputs() const { return trunk_.n_coefficients(); } // H

    // Physical units.
    // labels (L,)  flux (P,)  jacobian (P, L) = d flux / d label. A label out of a log10's domain gives NaN.
    void flux(const double* labels, Workspace& work, double* flux) const;
    void jacobian(const double* labels, Workspace& work, double* jacobian) const;

    // Scaled labels, as the solver uses.
    // x (L,)  flux (P,)  jacobian (L, P) = d flux / d x, at the x of the last flux_scaled with this
    // workspace.
    void flux_scaled(const double* x, Workspace& work, double* flux) const;
    void jacobian_scaled(Workspace& work, double* jacobian) const;

    // The network in two parts: a trunk to the H activations before the last layer, and that layer, as
    // flux = bias + rows a with rows (P, stride) padded with zeros.
    const Trunk& trunk() const { return trunk_; }
    const float* rows() const { return rows_.data(); }
    const double* bias() const { return bias_.data(); }

    // What the search sees: the network itself, or its cut.
    const Trunk& search_trunk() const { return cut_trunk_ ? *cut_trunk_ : trunk_; }
    const Basis& basis() const { return basis_; }
    bool is_cut() const { return cut_trunk_ != nullptr; }

    // Made when first asked for.
    const Spline& spline() const;

    void to_scaled(const double* labels, double* x) const;
    void to_labels(const double* x, double* labels) const;
    // dx_dlabel (L,): the transform acts on each label alone, so this is the whole matrix.
    void scale(const double* labels, double* dx_dlabel) const;

  private:
    std::vector<Transform> transforms_;
    std::vector<double> label_min_, label_max_;
    std::vector<double> origin_, inverse_range_; // t(y_min), 1 / (t(y_max) - t(y_min))
    Trunk trunk_;
    Aligned<float> rows_, cut_rows_;
    std::vector<double> bias_;
    std::unique_ptr<const Trunk> cut_trunk_; // null: no cut
    Basis basis_;
    mutable std::once_flag spline_made_;
    mutable std::unique_ptr<const Spline> spline_;
};

} // namespace maury

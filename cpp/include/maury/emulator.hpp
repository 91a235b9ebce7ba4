// The emulator: a fully connected network from labels to normalised flux (Imig et al. 2021, sec. 3.2).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace maury {

// leaky_relu has slope 0.01 below zero; gelu is x Phi(x) with the exact normal integral Phi.
enum class Activation { identity, relu, leaky_relu, silu, tanh, sigmoid, gelu };
enum class Transform { linear, log10 };

// Both throw std::invalid_argument, naming the choices, for a name they do not know.
Activation activation_from_name(const std::string& name);
Transform transform_from_name(const std::string& name);

// out = activation(weight in + bias)
struct Layer {
    std::size_t n_out, n_in;
    std::vector<double> weight; // (n_out, n_in)
    std::vector<double> bias;   // (n_out,)
    Activation activation;
};

// A label y is scaled to x = (t(y) - t(y_min)) / (t(y_max) - t(y_min)) - 0.5, with t its transform, before it
// enters the network. L labels, P pixels.
class Emulator {
  public:
    // Scratch space of one thread. It also remembers the last flux_scaled or coefficients_scaled, for the
    // derivatives.
    class Workspace {
      public:
        explicit Workspace(const Emulator& emulator);

      private:
        friend class Emulator;
        std::vector<std::vector<double>> values; // one a layer: its input
        std::vector<std::vector<double>> slopes; // one a layer: d activation / d argument
        std::vector<double> tangents_in, tangents_out;
        std::vector<double> x, jacobian; // (L,), (L, P): used by the physical-unit calls
    };

    // Throws std::invalid_argument when the layers do not chain, a size or a label range is wrong, a number
    // is not finite or the last layer is not identity.
    Emulator(std::vector<Transform> transforms, std::vector<double> label_min, std::vector<double> label_max,
             const std::vector<Layer>& layers);

    std::size_t n_labels() const { return transforms_.size(); }
    std::size_t n_pixels() const { return layers_.back().n_out; }
    std::size_t n_coefficients() const { return layers_.back().n_in; }

    // Physical units.
    // labels (L,)  flux (P,)  jacobian (P, L) = d flux / d label. A label out of a log10's domain gives NaN.
    void flux(const double* labels, Workspace& work, double* flux) const;
    void jacobian(const double* labels, Workspace& work, double* jacobian) const;

    // Scaled labels, as the solver uses.
    // x (L,)  flux (P,)  jacobian (L, P) = d flux / d x, at the x of the last flux_scaled with this
    // workspace.
    void flux_scaled(const double* x, Workspace& work, double* flux) const;
    void jacobian_scaled(Workspace& work, double* jacobian) const;

    // The trunk: all layers but the last, which is linear. flux = last bias + basis h(x).
    // coefficients h (K,)  tangents (L, K) = d h / d x, at the x of the last coefficients_scaled
    // basis (P, K)
    void coefficients_scaled(const double* x, Workspace& work, double* coefficients) const;
    void tangents_scaled(Workspace& work, double* tangents) const;
    void basis(double* basis) const;

    void to_scaled(const double* labels, double* x) const;
    void to_labels(const double* x, double* labels) const;
    // dx_dlabel (L,): the transform acts on each label alone, so this is the whole matrix.
    void scale(const double* labels, double* dx_dlabel) const;

  private:
    // A layer with its weight repacked for the matrix product kernel.
    struct Packed {
        std::size_t n_out, n_in;
        std::vector<double> weight, bias;
        Activation activation;
    };

    void run_trunk(const double* x, Workspace& work) const;
    void run_tangents(Workspace& work) const;

    std::vector<Transform> transforms_;
    std::vector<double> label_min_, label_max_;
    std::vector<double> origin_, inverse_range_; // t(y_min), 1 / (t(y_max) - t(y_min))
    std::vector<Packed> layers_;
    std::size_t widest_ = 0; // of all layers but the last
};

} // namespace maury

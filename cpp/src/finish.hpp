// The exact chi2 of one spectrum on its own pixels, with its continuum: minimised by the final fit.
#pragma once

#include "continuum.hpp"
#include "maury/aligned.hpp"
#include "maury/emulator.hpp"
#include "maury/instrument.hpp"
#include "maury/parallel.hpp"
#include "maury/solve.hpp"
#include "maury/trunk.hpp"
#include "pixels.hpp"
#include "residual_modes.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// What a fit varies besides the labels, in this order.
struct Nuisances {
    bool shift = false;     // the velocity, in pixels of the grid
    bool arms = false;      // that of arms 1, 2, ... less that of arm 0
    bool extra = false;     // one broadening more for all pixels, a variance in squared pixels
    std::size_t n_arms = 1; // A
    std::size_t count() const { return (shift ? 1 : 0) + (arms ? n_arms - 1 : 0) + (extra ? 1 : 0); }
};

// chi2(x) = sum_p w_p (d_p - c_p(x) m_p(x))^2,  m(x) = A(shift, extra) f(labels)
// with A of instrument.hpp and c of continuum.hpp, or 1; less what residual_modes.hpp explains. x: scaled
// labels, then the nuisances. All in double but the derivatives of f, which are float32 sums.
class Finish final : public Problem {
  public:
    // point: of emulator.trunk(). All must outlive this.
    Finish(const Emulator& emulator, TrunkPoint& point, double window);

    // Pixels first to first + n - 1. data, weight (n,): weights may become 0 later, by drop. Where the shift
    // does not vary it is this one.
    // modes: null = none; the instrument shows them at this shift, whatever x, times scale (n,).
    void set(const Pixels& pixels, std::size_t first, std::size_t n, const double* data, const double* weight,
             const Nuisances& nuisances, double shift, bool continuum, const GridModes* modes,
             const double* scale, const StopFlag& stop);
    void drop(const std::vector<std::size_t>& pixels); // gives them the weight 0

    // How far a velocity may be from where the instrument was placed before it is placed anew [pixels];
    // nearer it is A(v0) + (v - v0) A'(v0) + (v - v0)^2 A''(v0) / 2.
    void set_reach(double reach);

    double chi2(const double* x) override;
    double chi2_without_modes() const; // at the x of the last chi2
    // The gradient is exact; the hessian was so at an x near this one, before a few pixels were dropped.
    void derivatives(const double* x, double* gradient, double* hessian) override;
    // Of the network and of the velocities; small are those of both at once, and of the continuum.
    void curvature(double* curvature) override;
    const std::vector<double>& exact_hessian(); // at the x of the last chi2
    void leave_out_modes(double* covariance);   // (n_all, n_all), the inverse of that hessian

    // Of the last chi2: m, c (n,) and their product.
    const double* model() const { return model_.data(); }
    const double* continuum() const { return line_ ? lines_.continuum() : ones_.data(); }
    bool continuum_known(std::size_t p) const { return !line_ || lines_.known(p); }
    const double* fitted() const { return fitted_.data(); }
    const double* fitted_with_modes(); // with their most likely amplitudes
    const double* data() const { return data_; }
    const double* weight() const { return weight_.data(); }
    std::size_t size() const { return n_; }
    const std::vector<double>& shifts() const { return shift_; } // of each arm

    // out (stride,) = B'A'v, v (n,), of the basis as the search sees it
    void project(const double* v, double* out) { project(v, basis_rows(), emulator_.basis().stride, out); }
    void forget_place(); // the blur of the pixels is another
    // The instrument at x; then a spectrum on the grid, mean + 0, as it shows it: (n,)
    void place(const double* x);
    const double* show_mean();

  private:
    bool is_native(const Pixels& pixels, double shift) const;
    void see_modes();
    void set_model(const double* x);
    void set_fitted();
    void set_columns();
    void set_weighted();
    void set_gradient_by_columns();
    void set_gradient_by_adjoint();
    void set_adjoint();
    void set_hessian();
    bool hessian_serves() const;
    void project(const double* v, const float* rows, std::size_t stride, double* out);
    void add_by_arm(const double* v, const double* u, double factor, double* sums, std::size_t step) const;
    const float* rows() const { return native_ ? emulator_.rows() : spline_.rows.data(); }
    const float* basis_rows() const { return native_ ? emulator_.basis().rows : spline_.basis_rows(); }
    void fill_panel(std::size_t panel, const double* tangents);

    const Emulator& emulator_;
    const Spline& spline_;
    TrunkPoint& point_;
    TrunkColumns beside_;
    Instrument instrument_;
    LocalLine lines_;
    ResidualModes modes_;
    const double* mode_scale_ = nullptr;
    double explained_ = 0.0; // part of the last chi2, by the modes
    Nuisances nuisances_;
    double half_, fixed_shift_ = 0.0, reach_ = 0.0, placed_extra_ = 0.0;
    bool placed_ = false;
    std::size_t n_ = 0, n_labels_, n_all_ = 0;
    const double* data_ = nullptr;
    const StopFlag* stop_ = nullptr;
    const std::int32_t* arm_ = nullptr;
    bool native_ = false; // the pixels are the emulator's own
    bool line_ = true;    // whether there is a continuum to fit
    // Whether model_ and columns_ are those at x_; fitted_ and gradient_ those of the weights too; and
    // hessian_ that of hessian_x_, exactly.
    bool model_known_ = false, fitted_known_ = false, columns_known_ = false, gradient_known_ = false,
         adjoint_known_ = false, hessian_known_ = false, hessian_exact_ = false;
    std::vector<std::size_t> runs_; // each of one arm
    std::vector<double> x_, here_, beside_x_, hessian_x_, gradient_, hessian_, shift_, away_, placed_shift_,
        weight_, ones_, grid_model_, model_, fitted_, explained_fit_, weighted_, adjoint_;
    std::vector<double> by_shift_, by_extra_, grid_sum_;
    Aligned<double> projected_;
    Aligned<float> beside_h_, beside_tangents_;
    std::vector<double> grid_columns_;   // (8, P of the grid + pad)
    Aligned<double> columns_, jacobian_; // (panels, n, 8): of m, and of c m
};

} // namespace maury

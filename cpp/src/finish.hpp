// The exact chi2 of one spectrum on its own pixels, with its continuum: what the fit ends on.
#pragma once

#include "continuum.hpp"
#include "maury/aligned.hpp"
#include "maury/emulator.hpp"
#include "maury/instrument.hpp"
#include "maury/parallel.hpp"
#include "maury/solve.hpp"
#include "maury/trunk.hpp"
#include "pixels.hpp"

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
// with A of instrument.hpp and c of continuum.hpp, or 1. x: scaled labels, then the nuisances. All in double
// but the derivatives of f, which are float32 sums.
class Finish final : public Problem {
  public:
    // point: of emulator.trunk(). All must outlive this.
    Finish(const Emulator& emulator, TrunkPoint& point, double window);

    // Pixels first to first + n - 1. data, weight (n,): weights may become 0 later, by drop. Where the shift
    // does not vary it is this one.
    void set(const Pixels& pixels, std::size_t first, std::size_t n, const double* data, const double* weight,
             const Nuisances& nuisances, double shift, bool continuum, const StopFlag& stop);
    void drop(const std::vector<std::size_t>& pixels); // gives them the weight 0

    // How far a velocity may be from where the instrument was placed before it is placed anew [pixels]; nearer
    // the model is A(v0) f + (v - v0) A'(v0) f + (v - v0)^2 A''(v0) f / 2, and its derivatives by labels those
    // at v0.
    void set_reach(double reach);

    double chi2(const double* x) override;
    void derivatives(const double* x, double* gradient, double* hessian) override;

    // Of the last chi2: m, c (n,) and their product.
    const double* model() const { return model_.data(); }
    const double* continuum() const { return line_ ? lines_.continuum() : ones_.data(); }
    bool continuum_known(std::size_t p) const { return !line_ || lines_.known(p); }
    const double* fitted() const { return fitted_.data(); }
    const double* data() const { return data_; }
    const double* weight() const { return weight_.data(); }
    std::size_t size() const { return n_; }
    const std::vector<double>& shifts() const { return shift_; } // of each arm

    // Brings values v (n,) back to the grid: A'v, as numbers for the rows of basis_rows().
    void to_grid(const double* v, float* out);
    // The instrument at x; then a spectrum on the grid, mean + 0, as it shows it: (n,)
    void place(const double* x);
    const double* show_mean();
    const float* basis_rows() const { return native_ ? emulator_.basis().rows : spline_.basis_rows(); }
    std::size_t n_rows() const { return emulator_.n_pixels(); }

  private:
    bool is_native(const Pixels& pixels, double shift) const;
    void set_model(const double* x);
    void set_fitted();
    void set_columns();
    void fill_panel(std::size_t panel, const double* tangents);

    const Emulator& emulator_;
    const Spline& spline_;
    TrunkPoint& point_;
    Instrument instrument_;
    LocalLine lines_;
    Nuisances nuisances_;
    double half_, fixed_shift_ = 0.0, reach_ = 0.0, placed_extra_ = 0.0;
    bool placed_ = false;
    std::size_t n_ = 0, n_labels_, n_all_ = 0;
    const double* data_ = nullptr;
    const StopFlag* stop_ = nullptr;
    const std::int32_t* arm_ = nullptr;
    bool native_ = false; // the pixels are the emulator's own
    bool line_ = true;    // whether there is a continuum to fit
    // Whether model_ is that at x_, fitted_ that of it and the weights, columns_ those at x_.
    bool model_known_ = false, fitted_known_ = false, columns_known_ = false;
    std::vector<std::size_t> runs_;
    std::vector<double> x_, shift_, placed_shift_, weight_, ones_, grid_model_, model_, fitted_, weighted_;
    std::vector<double> by_shift_, by_extra_, grid_sum_;
    Aligned<float> tangents_, grid_columns_;     // (stride, 8), (P of the grid + pad, 8)
    Aligned<double> columns_, jacobian_;         // (panels, n, 8): of m, and of c m
};

} // namespace maury

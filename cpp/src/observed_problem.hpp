// The full chi2 of one spectrum on pixels of its own, seen through its instrument, in double.
#pragma once

#include "full_problem.hpp"
#include "maury/emulator.hpp"
#include "maury/fit.hpp"
#include "maury/instrument.hpp"
#include "spectrum.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// chi2(x) = sum_p w_p (flux_p - model_p(x))^2, model(x) = A(shift, extra) f(labels), A of instrument.hpp.
// x: scaled labels; then what freedom lets vary: the shift; those of arms 1, 2, ... less that of arm 0;
// extra.
class ObservedProblem final : public FullProblem {
  public:
    // point: of emulator.trunk(). All must outlive this.
    ObservedProblem(const Emulator& emulator, TrunkPoint& point, const Spectrum& spectrum,
                    Instrument& instrument, const Freedom& freedom);

    std::size_t n_parameters() const { return n_parameters_; }

    void begin(const StopFlag& stop) override;             // with the pixels that the instrument has now
    void set_shift(double shift) { fixed_shift_ = shift; } // where it does not vary
    void place(const double* x);                           // the instrument, as x has it

    double chi2(const double* x) override;
    void derivatives(const double* x, double* gradient, double* hessian) override;

    const double* model() const override { return model_.data(); }

  private:
    const Emulator& emulator_;
    const Spline& spline_;
    TrunkPoint& point_;
    const Spectrum& spectrum_;
    Instrument& instrument_;
    const Freedom freedom_;
    std::size_t n_labels_, n_parameters_, stride_; // pixels of the grid with padding
    double fixed_shift_ = 0.0;
    const StopFlag* stop_ = nullptr;
    bool model_known_ = false;
    std::vector<double> x_, shift_;                              // whose model it is; of each arm
    std::vector<double> coefficients_, tangents_;                // (stride,), (L, stride): splines
    std::vector<double> model_, residual_, jacobian_, by_shift_; // (P,), (P,), (parameters, P), (P,)
};

} // namespace maury

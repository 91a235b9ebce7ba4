// Bounded Levenberg-Marquardt: the least chi2 inside a box.
#pragma once

#include "maury/box_step.hpp"
#include "maury/codes.h"

#include <cstddef>
#include <vector>

namespace maury {

// A chi2 of n parameters. The solver expects parameters of order one, such as labels scaled to [-0.5, 0.5].
class Problem {
  public:
    virtual ~Problem() = default;

    virtual double chi2(const double* x) = 0;

    // Always at the x of the last chi2 call, so a problem may reuse what that call computed.
    // gradient (n,)    = d chi2 / d x / 2
    // hessian  (n, n)  = Gauss-Newton approximation of d2 chi2 / d x2 / 2, the whole symmetric matrix
    // Its inverse is then the covariance of x, and gradient_i has the error sqrt(hessian_ii).
    virtual void derivatives(const double* x, double* gradient, double* hessian) = 0;

    // curvature (n, n): the second derivatives that this hessian leaves out, there; untouched if not known.
    virtual void curvature(double*) {}

    // Both at once, for a problem that can do it cheaper.
    virtual double chi2_and_derivatives(const double* x, double* gradient, double* hessian) {
        const double value = chi2(x);
        derivatives(x, gradient, hessian);
        return value;
    }
};

// g, H: gradient and hessian as above; s: the step; fall: of chi2; predicted: -(2 g.s + s'Hs), by the
// quadratic model. The first three rules are convergence. A step that is short only because it is damped
// proves nothing, hence the conditions on the damping; except at a kink of a network, where the least lies
// and every step rises.
struct SolveOptions {
    // COST: |fall| <= cost_tol * chi2 and predicted <= cost_tol * chi2; damping D <= H on the diagonal, with
    // D the largest diagonal of H so far
    double cost_tol = 1e-12;
    // STEP: sqrt(s'Hs), the step in formal errors, <= step_tol; damping D <= H on the diagonal, or max over
    // free i of |g_i| / sqrt(H_ii) <= kink_tol
    double step_tol = 1e-8;
    double kink_tol = 1.0;
    // GRADIENT: sqrt(s'Hs) <= gradient_tol and predicted <= gradient_tol^2 for the step without damping,
    // inside the box (with damping where H is singular). No parameter is then farther from where the step
    // leads than gradient_tol of its own formal error.
    double gradient_tol = 1e-5;
    // STALLED: sqrt(s'Hs) <= step_tol, but not STEP; or no damping gives a step
    // MAX_EVALUATIONS: n_evaluations >= max_evaluations
    int max_evaluations = 200;
    double first_damping = 1e-3;
    // How far off a chi2 may be; a step is not rejected for less.
    double chi2_error = 0.0;
    // Add to H, within some formal errors of the least, the second derivatives that it leaves out, as the
    // problem knows them or the steps so far showed them: for a start next to the least, where Gauss-Newton
    // creeps.
    bool learn_curvature = false;
};

struct SolveResult {
    Status status;
    double chi2;
    int n_evaluations; // of chi2
};

// Holds all the memory a solution needs: make one a thread, then solve many.
class Solver {
  public:
    explicit Solver(std::size_t n_parameters);

    // x (n,): start in, clamped into the box; solution out. The chi2 there never exceeds that of the start.
    // lower, upper (n,): may be infinite; equal bounds hold a parameter fixed.
    // Status NON_FINITE when chi2 or its derivatives at the start are not finite. A trial step to such a
    // point is rejected, and counted.
    SolveResult solve(Problem& problem, const double* lower, const double* upper, double* x,
                      const SolveOptions& options = {});

    // The same in steps, for a caller who evaluates several problems side by side:
    //   begin; then while running: chi2 at trial() -> judge; if it is true, derivatives there -> accept;
    //   propose
    // lower and upper must live until the end.
    void begin(const double* lower, const double* upper, const double* x, const SolveOptions& options);
    // Where to look next; after GRADIENT, where the step would lead that is too short to need a look.
    const double* trial() const { return trial_.data(); }
    // What the quadratic model promises at trial(); infinite where damping holds the step back.
    double promise() const;
    bool judge(double chi2);
    void accept(const double* gradient, const double* hessian);
    void propose(Problem* problem = nullptr); // for its curvature
    void stop(Status status);
    bool running() const { return running_; }

    const double* x() const { return x_.data(); }
    const SolveResult& result() const { return result_; }

    // (n, n) and (n,), at the solution; not set if its status is NON_FINITE.
    const double* hessian() const { return hessian_.data(); }
    const double* gradient() const { return gradient_.data(); }

  private:
    bool damped_little() const;
    double largest_free_gradient() const;
    double predicted_fall() const;
    bool find_step(double damping);
    void set_trial();
    double step_length() const;
    void learn_curvature(const double* gradient, const double* hessian);
    void raise_damping();
    void reject();

    std::size_t n_;
    BoxStep step_;
    const double *lower_ = nullptr, *upper_ = nullptr;
    SolveOptions options_;
    SolveResult result_{};
    bool running_ = false, settled_ = false, curved_ = false;
    double damping_ = 0.0, growth_ = 0.0, trial_chi2_ = 0.0, fall_ = 0.0, predicted_ = 0.0;
    std::vector<double> x_, gradient_, hessian_, trial_gradient_, trial_hessian_;
    std::vector<double> curvature_,
        model_; // what hessian_ lacks, by the steps so far; the sum of both, or hessian_
    std::vector<double> trial_, scale_, damped_, missed_, turned_;
};

} // namespace maury

// Bounded Levenberg-Marquardt: the least chi2 inside a box.
#pragma once

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
};

// g, H: gradient and hessian as above; s: the step; "free": not held at a bound by the gradient.
// The first three rules are convergence. A step that is short only because it is damped proves nothing, hence
// the condition on the damping; except at a kink of a network, where the least lies and every step rises.
struct SolveOptions {
    // COST: |fall of chi2| <= cost_tol * chi2, and so the fall the quadratic model predicts; damping <= 1
    double cost_tol = 1e-12;
    // STEP: max_i |s_i| <= step_tol; damping <= 1 or max over free i of |g_i| / sqrt(H_ii) <= kink_tol
    double step_tol = 1e-9;
    double kink_tol = 1.0;
    // GRADIENT: max over free i of |g_i| / sqrt(H_ii) <= gradient_tol
    double gradient_tol = 1e-5;
    // STALLED: max_i |s_i| <= step_tol, but not STEP
    // MAX_EVALUATIONS: n_evaluations >= max_evaluations
    int max_evaluations = 200;
    double first_damping = 1e-3;
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

    // (n, n) and (n,), at the solution of the last solve; not set if its status was NON_FINITE.
    const double* hessian() const { return hessian_.data(); }
    const double* gradient() const { return gradient_.data(); }

  private:
    double largest_free_gradient(const double* lower, const double* upper, const double* x) const;
    bool find_step(const double* lower, const double* upper, const double* x, double damping);
    bool newton_point();
    double predicted_fall() const;

    std::size_t n_;
    std::vector<double> gradient_, hessian_, trial_gradient_, trial_hessian_;
    std::vector<double> trial_, step_, scale_, target_, damped_, factor_, part_;
    std::vector<std::size_t> free_;
    std::vector<signed char> held_; // -1 at the lower bound, 1 at the upper, 0 free
};

} // namespace maury

// Stop rules, each ended by itself alone; bounds; and what must hold for any problem.
#include "check.hpp"
#include "problems.hpp"

#include <cmath>
#include <random>

using maury::SolveOptions;
using maury::Solver;
using maury::SolveResult;
using maury::Status;

namespace {

const double no_lower[] = {-infinity, -infinity, -infinity}, no_upper[] = {infinity, infinity, infinity};

SolveOptions no_rules() {
    SolveOptions options;
    options.cost_tol = options.step_tol = options.kink_tol = options.gradient_tol = 0.0;
    return options;
}

struct Run {
    SolveResult result;
    double x[2];
    double left; // to go, in formal errors
};

Run run_rosenbrock(const SolveOptions& options) {
    ResidualProblem problem = rosenbrock();
    Solver solver(2);
    Run run{{}, {-1.2, 1.0}, 0.0};
    run.result = solver.solve(problem, no_lower, no_upper, run.x, options);
    double squared = 0.0;
    for (std::size_t i = 0; i < 4; ++i)
        squared += (solver.trial()[i / 2] - run.x[i / 2]) * solver.hessian()[i] *
                   (solver.trial()[i % 2] - run.x[i % 2]);
    run.left = std::sqrt(squared);
    CHECK(problem.n_calls == run.result.n_evaluations);
    return run;
}

void each_rule_ends_alone() {
    SolveOptions options = no_rules();
    options.gradient_tol = 1e-3;
    const Run by_gradient = run_rosenbrock(options);
    CHECK(by_gradient.result.status == Status::GRADIENT);
    CHECK(by_gradient.left <= 1e-3);
    options.gradient_tol = 0.99 * by_gradient.left; // just missed: goes on
    CHECK(run_rosenbrock(options).result.n_evaluations > by_gradient.result.n_evaluations);

    options = no_rules();
    options.cost_tol = 1e-6;
    const Run by_cost = run_rosenbrock(options);
    CHECK(by_cost.result.status == Status::COST);
    CHECK_NEAR(by_cost.result.chi2, 1.0, 1e-6);

    options = no_rules();
    options.step_tol = 1e-4;
    const Run by_step = run_rosenbrock(options);
    CHECK(by_step.result.status == Status::STEP);
    CHECK_NEAR(by_step.x[0], 1.0, 1e-4);
    CHECK_NEAR(by_step.x[1], 1.0, 1e-4);

    options = SolveOptions();
    options.max_evaluations = 3;
    const Run by_count = run_rosenbrock(options);
    CHECK(by_count.result.status == Status::MAX_EVALUATIONS);
    CHECK(by_count.result.n_evaluations == 3);

    const Run by_default = run_rosenbrock(SolveOptions());
    CHECK(converged(by_default.result.status));
    CHECK_NEAR(by_default.x[0], 1.0, 1e-5);
    CHECK(by_default.result.n_evaluations < 30);
}

void kinks() {
    // |x| with gradient 1 in units of its own error on either side of its least.
    ResidualProblem problem(
        1, [](const Dual* x) { return std::vector<Dual>{1.0 + 0.01 * (x[0].value < 0.0 ? -x[0] : x[0])}; });
    Solver solver(1);
    for (const double kink_tol : {0.5, 1.5}) {
        SolveOptions options;
        options.kink_tol = kink_tol;
        double x = 0.2;
        const SolveResult result = solver.solve(problem, no_lower, no_upper, &x, options);
        CHECK(result.status == (kink_tol < 1.0 ? Status::STALLED : Status::STEP));
        CHECK_NEAR(x, 0.0, 1e-6);
    }
    CHECK(!maury::converged(Status::STALLED));
}

void without_rules_it_ends_all_the_same() {
    SolveOptions options = no_rules();
    options.max_evaluations = 100000;
    CHECK(run_rosenbrock(options).result.n_evaluations < 200);
    // Derivatives that have nothing to do with chi2.
    class Liar final : public maury::Problem {
        double chi2(const double* x) override { return 2.0 + std::sin(1e3 * x[0]); }
        void derivatives(const double*, double* g, double* h) override { g[0] = -1.0, h[0] = 0.0; }
    } liar;
    Solver solver(1);
    double x = 0.3;
    const SolveResult result = solver.solve(liar, no_lower, no_upper, &x, options);
    CHECK(result.status == Status::STALLED);
    CHECK(result.chi2 <= 2.0 + std::sin(300.0));
}

void not_finite() {
    Solver solver(1);
    ResidualProblem nowhere(1, [](const Dual*) { return std::vector<Dual>{Dual(not_a_number)}; });
    double x = 0.0;
    SolveResult result = solver.solve(nowhere, no_lower, no_upper, &x);
    CHECK(result.status == Status::NON_FINITE);
    CHECK(result.n_evaluations == 1);

    ResidualProblem steep(1, [](const Dual* p) { return std::vector<Dual>{chain(p[0], 1.0, infinity)}; });
    CHECK(solver.solve(steep, no_lower, no_upper, &x).status == Status::NON_FINITE);

    double nan_start = not_a_number;
    ResidualProblem line(1, [](const Dual* p) { return std::vector<Dual>{p[0]}; });
    CHECK(solver.solve(line, no_lower, no_upper, &nan_start).status == Status::NON_FINITE);

    // The first step from 3 lands where the logarithm does not exist: rejected, counted, recovered from.
    int n_bad = 0;
    ResidualProblem logarithm(1, [&](const Dual* p) {
        n_bad += p[0].value <= 0.0;
        return std::vector<Dual>{log(p[0]) + 2.0};
    });
    x = 3.0;
    result = solver.solve(logarithm, no_lower, no_upper, &x);
    CHECK(n_bad > 0);
    CHECK(result.n_evaluations == logarithm.n_calls);
    CHECK(converged(result.status));
    CHECK_NEAR(x, std::exp(-2.0), 1e-6);

    // chi2 exists beyond x = 0.5 but its derivatives do not: the solver stays where both exist.
    ResidualProblem half(1, [](const Dual* p) {
        return std::vector<Dual>{p[0].value > 0.5 ? chain(p[0], 1.0 - p[0].value, not_a_number) : 1.0 - p[0]};
    });
    x = 0.0;
    result = solver.solve(half, no_lower, no_upper, &x);
    CHECK(x > 0.49 && x <= 0.5);
}

// x - (2, -3) in a box: the answer is the nearest corner, edge or point.
void simple_bounds() {
    ResidualProblem problem(2, [](const Dual* x) { return std::vector<Dual>{x[0] - 2.0, x[1] + 3.0}; });
    Solver solver(2);
    const double boxes[][4] = {
        {-1, 1, -1, 1}, {-1, 5, -1, 1}, {-9, 9, -9, 9}, {0.5, 0.5, -9, 9}, {2, 9, -9, -3}};
    for (const auto& box : boxes) {
        const double lower[] = {box[0], box[2]}, upper[] = {box[1], box[3]};
        for (const double start : {-20.0, 0.0, 20.0}) { // outside the box too
            double x[] = {start, -start};
            const SolveResult result = solver.solve(problem, lower, upper, x);
            CHECK(converged(result.status));
            CHECK_NEAR(x[0], std::min(std::max(2.0, lower[0]), upper[0]), 1e-5);
            CHECK_NEAR(x[1], std::min(std::max(-3.0, lower[1]), upper[1]), 1e-5);
            CHECK(x[0] >= lower[0] && x[0] <= upper[0] && x[1] >= lower[1] && x[1] <= upper[1]);
        }
    }
}

// Random convex quadratics with strong correlations: at the answer no free gradient is left, every held one
// points outwards, and the path took few evaluations, as bounds are taken and left within one step.
void random_boxes() {
    std::mt19937_64 random(1);
    std::uniform_real_distribution<double> uniform(-1.0, 1.0);
    std::size_t n_held = 0;
    int most_evaluations = 0;
    for (int trial = 0; trial < 2000; ++trial) {
        const std::size_t n = 1 + static_cast<std::size_t>(trial) % 6;
        std::vector<double> a((n + 2) * n), d(n + 2), lower(n), upper(n), x(n);
        const double common = trial % 3 == 0 ? 10.0 : 0.0; // correlation
        for (std::size_t i = 0; i < n + 2; ++i) {
            const double shared = common * uniform(random);
            for (std::size_t k = 0; k < n; ++k)
                a[i * n + k] = shared + uniform(random);
            d[i] = 3.0 * uniform(random);
        }
        for (std::size_t k = 0; k < n; ++k) {
            lower[k] = -0.5 + 0.4 * uniform(random);
            upper[k] = 0.5 + 0.4 * uniform(random);
            x[k] = uniform(random);
        }
        ResidualProblem problem(n, [&](const Dual* p) {
            std::vector<Dual> r(n + 2);
            for (std::size_t i = 0; i < n + 2; ++i) {
                r[i] = Dual(-d[i]);
                for (std::size_t k = 0; k < n; ++k)
                    r[i] = r[i] + p[k] * a[i * n + k];
            }
            return r;
        });
        Solver solver(n);
        const SolveResult result = solver.solve(problem, lower.data(), upper.data(), x.data());
        CHECK(converged(result.status));
        most_evaluations = std::max(most_evaluations, result.n_evaluations);
        for (std::size_t k = 0; k < n; ++k) {
            const double g = solver.gradient()[k] / std::sqrt(solver.hessian()[k * n + k]);
            n_held += x[k] == lower[k] || x[k] == upper[k];
            if (x[k] == lower[k])
                CHECK(g >= -1e-4);
            else if (x[k] == upper[k])
                CHECK(g <= 1e-4);
            else
                CHECK(std::abs(g) <= 1e-4);
        }
    }
    CHECK(n_held > 1000); // the trials did meet bounds
    CHECK(most_evaluations <= 20);
}

void singular() {
    ResidualProblem problem(
        2, [](const Dual* x) { return std::vector<Dual>{x[0] + x[1] - 1.0, 2.0 * (x[0] + x[1]) - 2.5}; });
    Solver solver(2);
    double x[] = {0.0, 0.0};
    CHECK(converged(solver.solve(problem, no_lower, no_upper, x).status));
    CHECK_NEAR(x[0] + x[1], 1.2, 1e-5);
    ResidualProblem flat(2, [](const Dual* p) { return std::vector<Dual>{p[0] - 1.0}; }); // of x[0] alone
    double y[] = {0.0, 0.25};
    CHECK(converged(solver.solve(flat, no_lower, no_upper, y).status));
    CHECK_NEAR(y[0], 1.0, 1e-5);
    CHECK_NEAR(y[1], 0.25, 1e-12);
}

void never_worse_than_the_start() {
    std::mt19937_64 random(2);
    std::uniform_real_distribution<double> uniform(-3.0, 3.0);
    ResidualProblem problem(3, [](const Dual* x) {
        return std::vector<Dual>{sin(9.0 * x[0]) * exp(x[1]) - 0.3, cos(x[2] * x[0] * 5.0) + x[1],
                                 x[2] / (x[1] * x[1] + 0.01) - 2.0, x[0] * 0.1};
    });
    const double lower[] = {-2.0, -2.0, -2.0}, upper[] = {2.0, 2.0, 2.0};
    Solver solver(3);
    for (int trial = 0; trial < 1000; ++trial) {
        double x[] = {uniform(random), uniform(random), uniform(random)}, start[3];
        for (std::size_t i = 0; i < 3; ++i)
            start[i] = std::min(std::max(x[i], lower[i]), upper[i]);
        const SolveResult result = solver.solve(problem, lower, upper, x);
        CHECK(result.chi2 <= problem.chi2(start));
        CHECK(result.chi2 == problem.chi2(x));
        CHECK(result.n_evaluations <= SolveOptions().max_evaluations);
        for (std::size_t i = 0; i < 3; ++i)
            CHECK(x[i] >= lower[i] && x[i] <= upper[i]);
    }
}

// A step along x shows curvature along x; of y it shows too little to learn any.
void curvature_is_learnt_along_steps_only() {
    const double hessian[] = {1.0, 0.0, 0.0, 1.0}, start[] = {0.0, 0.0}, before[] = {-0.5, 0.0};
    const auto next_step = [&](double missed_x, double missed_y, double* step) {
        Solver solver(2);
        SolveOptions options;
        options.learn_curvature = true;
        options.first_damping = 1e-9;
        solver.begin(no_lower, no_upper, start, options);
        CHECK(solver.judge(1.0));
        solver.accept(before, hessian);
        solver.propose(); // to x = 0.5
        CHECK_NEAR(solver.trial()[0], 0.5, 1e-6);
        CHECK(solver.judge(0.75));
        const double gradient[] = {missed_x, missed_y};
        solver.accept(gradient, hessian);
        solver.propose();
        step[0] = solver.trial()[0] - 0.5;
        step[1] = solver.trial()[1];
    };
    double step[2];
    next_step(0.1, 0.0, step); // 0.2 of curvature
    CHECK_NEAR(step[0], -0.1 / 1.2, 1e-6);
    next_step(1e-3, 0.1, step);
    CHECK_NEAR(step[0], -1e-3, 1e-6);
    CHECK_NEAR(step[1], -0.1, 1e-6);
}

} // namespace

int main() {
    each_rule_ends_alone();
    kinks();
    without_rules_it_ends_all_the_same();
    not_finite();
    simple_bounds();
    random_boxes();
    singular();
    never_worse_than_the_start();
    curvature_is_learnt_along_steps_only();
    return check::report();
}

// The test problems of More, Garbow & Hillstrom, to their least chi2: without bounds, in a box around the
// answer, and in a box that ends short of it.
#include "check.hpp"
#include "more_problems.hpp"

#include <set>
#include <string>

namespace {

using namespace more;
using Vector = std::vector<double>;

struct Case {
    std::string name;
    Vector start;
    double farthest; // start times 1, 10, ... farthest; if start is 0, all parameters 10, ... farthest
    Residuals residuals;
    Vector minima; // of chi2
};

template <class Value> Vector made(int n, Value value) { // value(j), j from 1
    Vector x;
    for (int j = 1; j <= n; ++j)
        x.push_back(value(j));
    return x;
}
Vector parabola(int n) { // t (t - 1)
    return made(n, [n](double j) { return j / (n + 1) * (j / (n + 1) - 1.0); });
}

// The starts are the paper's, and 10 times those; 100 times, and Chebyquad only once, as in MINPACK's tests.
// Minima: the paper's; then, for Beale, Jennrich and Sampson, Bard, Box, Kowalik and Osborne, the plateau at
// infinity; for Osborne 2 the one without peaks; for the trigonometric problem two local ones. All to more
// digits than the paper has: closed, or from 40-digit arithmetic.
const std::vector<Case> cases = {
    {"Rosenbrock", {-1.2, 1.0}, 100.0, more::rosenbrock, {0.0}},
    {"Freudenstein and Roth", {0.5, -2.0}, 100.0, freudenstein_roth, {0.0, 48.98425367924}},
    {"Powell badly scaled", {0.0, 1.0}, 10.0, powell_badly_scaled, {0.0}},
    {"Brown badly scaled", {1.0, 1.0}, 10.0, brown_badly_scaled, {0.0}},
    {"Beale", {1.0, 1.0}, 10.0, beale, {0.0, 0.4520089285714286}},
    {"Jennrich and Sampson", {0.3, 0.4}, 10.0, jennrich_sampson, {124.362182355615, 259.5801901342533}},
    {"helical valley", {-1.0, 0.0, 0.0}, 100.0, helical_valley, {0.0}},
    {"Bard", {1.0, 1.0, 1.0}, 100.0, bard, {0.00821487730657897, 17.42869333333333}},
    {"Gaussian", {0.4, 1.0, 0.0}, 10.0, gaussian, {1.12793276961865e-8}},
    {"Meyer", {0.02, 4000.0, 250.0}, 10.0, meyer, {87.9458551708511}},
    {"Gulf", {5.0, 2.5, 0.15}, 1.0, gulf, {0.0}}, // 10 times the start is the answer
    {"Box", {0.0, 10.0, 20.0}, 10.0, box, {0.0, 0.0755887407549974}},
    {"Powell singular", {3.0, -1.0, 0.0, 1.0}, 100.0, powell_singular, {0.0}},
    {"Wood", {-3.0, -1.0, -3.0, -1.0}, 10.0, wood, {0.0}},
    {"Kowalik and Osborne",
     {0.25, 0.39, 0.415, 0.39},
     100.0,
     kowalik_osborne,
     {0.000307505603849237, 0.001027343048695458}},
    {"Brown and Dennis", {25.0, 5.0, -5.0, -1.0}, 100.0, brown_dennis, {85822.2016263563}},
    {"Osborne 1", {0.5, 1.5, -1.0, 0.01, 0.02}, 10.0, osborne_1, {5.46489469748291e-5}},
    {"Biggs EXP6", {1.0, 2.0, 1.0, 1.0, 1.0, 1.0}, 10.0, biggs_exp6, {0.0, 0.005655649925499931}},
    {"Osborne 2",
     {1.3, 0.65, 0.65, 0.7, 0.6, 3.0, 5.0, 7.0, 2.0, 4.5, 5.5},
     10.0,
     osborne_2,
     {0.0401377362935477, 1.789813586881093}},
    {"Watson 6", Vector(6, 0.0), 100.0, watson(6), {0.00228767005355244}},
    {"Watson 9", Vector(9, 0.0), 100.0, watson(9), {1.39976013809902e-6}},
    {"Watson 12", Vector(12, 0.0), 100.0, watson(12), {4.72238110589176e-10}},
    {"extended Rosenbrock",
     made(8, [](int j) { return j % 2 ? -1.2 : 1.0; }),
     10.0,
     extended_rosenbrock(8),
     {0.0}},
    {"extended Powell singular",
     {3.0, -1.0, 0.0, 1.0, 3.0, -1.0, 0.0, 1.0},
     10.0,
     extended_powell_singular(8),
     {0.0}},
    {"penalty I, 4", {1.0, 2.0, 3.0, 4.0}, 10.0, penalty_1(4), {2.24997750089994e-5}},
    {"penalty I, 10", made(10, [](double j) { return j; }), 10.0, penalty_1(10), {7.08765146709037e-5}},
    {"penalty II, 4", Vector(4, 0.5), 10.0, penalty_2(4), {9.37629300735544e-6}},
    {"penalty II, 10", Vector(10, 0.5), 10.0, penalty_2(10), {0.000293660537456746}},
    {"variably dimensioned",
     made(9, [](double j) { return 1.0 - j / 9.0; }),
     10.0,
     variably_dimensioned(9),
     {0.0}},
    {"trigonometric",
     Vector(10, 0.1),
     10.0,
     trigonometric(10),
     {0.0, 2.795056121879456e-5, 4.21863388792373e-5}},
    {"Brown almost-linear", Vector(10, 0.5), 100.0, brown_almost_linear(10), {0.0, 1.0}},
    {"discrete boundary value", parabola(9), 10.0, discrete_boundary_value(9), {0.0}},
    {"discrete integral equation", parabola(9), 10.0, discrete_integral_equation(9), {0.0}},
    {"Broyden tridiagonal", Vector(9, -1.0), 10.0, broyden_tridiagonal(9), {0.0}},
    {"Broyden banded", Vector(9, -1.0), 10.0, broyden_banded(9), {0.0}},
    {"linear, full rank, 9 by 9", Vector(9, 1.0), 10.0, linear_full_rank(9, 9), {0.0}},
    {"linear, full rank, 5 by 50", Vector(5, 1.0), 10.0, linear_full_rank(5, 50), {45.0}},
    // least chi2 = m (m - 1) / 2 (2 m + 1), and (m^2 + 3 m - 6) / 2 (2 m - 3)
    {"linear, rank 1", Vector(5, 1.0), 10.0, linear_rank_1(5, 10), {15.0 / 7.0}},
    {"linear, rank 1, with zeros", Vector(5, 1.0), 10.0, linear_rank_1_with_zeros(5, 10), {62.0 / 17.0}},
    {"Chebyquad 8", made(8, [](int j) { return j / 9.0; }), 1.0, chebyquad(8), {0.00351687372567793}},
    {"Chebyquad 9", made(9, [](int j) { return j / 10.0; }), 1.0, chebyquad(9), {0.0}},
    {"Chebyquad 10", made(10, [](int j) { return j / 11.0; }), 1.0, chebyquad(10), {0.00650395480088231}},
};

// Right decimal digits, at most 11; of a chi2 that should be 0, those beyond 1e-12.
double digits(double chi2, const Vector& minima) {
    double most = 0.0;
    for (const double least : minima)
        most = std::max(most, -std::log10(std::abs(chi2 - least) / std::max(least, 1e-12) + 1e-11));
    return most;
}

struct Box {
    Vector lower, upper;
};

Box unbounded(std::size_t n) { return {Vector(n, -infinity), Vector(n, infinity)}; }

// The answer of a start that is 0 may be 0 too, but for rounding.
constexpr double nothing = 1e-6;

Box box_around(const Vector& start, const Vector& answer) {
    Box box;
    for (std::size_t k = 0; k < start.size(); ++k) {
        const double larger = std::max(std::abs(start[k]), std::abs(answer[k]));
        const double room = larger > nothing ? larger : 1.0;
        box.lower.push_back(std::min(start[k], answer[k]) - room);
        box.upper.push_back(std::max(start[k], answer[k]) + room);
    }
    return box;
}

// The same, but the first parameter that has a way to go is stopped half way.
Box box_short_of(const Vector& start, const Vector& answer) {
    Box box = box_around(start, answer);
    std::size_t k = 0;
    while (std::abs(start[k] - answer[k]) <= nothing)
        ++k;
    (start[k] < answer[k] ? box.upper : box.lower)[k] = (start[k] + answer[k]) / 2.0;
    return box;
}

// The most that any one parameter can still lower chi2 along its gradient inside the box, relative to chi2:
// by a step of Gauss-Newton's length or shorter, because its curvature is far too small for some problems. 0
// where the gradient points out of the box.
double fall_left(ResidualProblem& problem, const Vector& x, const Box& box) {
    const std::size_t n = x.size();
    Vector gradient(n), hessian(n * n);
    const double chi2 = problem.chi2_and_derivatives(x.data(), gradient.data(), hessian.data());
    double most = 0.0;
    for (std::size_t k = 0; k < n; ++k)
        for (double part = 1.0; gradient[k] != 0.0 && part > 1e-12; part /= 4.0) {
            Vector trial = x;
            trial[k] -= part * gradient[k] / hessian[k * n + k];
            trial[k] = std::min(std::max(trial[k], box.lower[k]), box.upper[k]);
            most = std::max(most, (chi2 - problem.chi2(trial.data())) / chi2);
        }
    return most;
}

struct End {
    Vector x;
    bool at_minimum, stationary;
};

// These do not arrive in 2000 evaluations: long, bent valleys.
const std::set<std::string> creeping = {
    "Jennrich and Sampson * 10, in a box",
    "Watson 12 * 1, cut short",
};

#define MORE_STATUS_NAME(value, name, meaning) #name,
const char* const status_names[] = {MAURY_STATUS(MORE_STATUS_NAME)};
#undef MORE_STATUS_NAME

End solve(const Case& c, const std::string& label, const Vector& start, const Box& box) {
    maury::SolveOptions options; // chi2 is not in units of its noise here
    options.step_tol = 0.0;
    options.cost_tol = 1e-15;
    options.gradient_tol = 1e-10; // for a chi2 of 0, which has no digits
    options.max_evaluations = 2000;
    const std::size_t n = start.size();
    ResidualProblem problem(n, c.residuals);
    const double chi2_at_start = problem.chi2(start.data());
    End end{start, false, false};
    maury::Solver solver(n);
    const maury::SolveResult result =
        solver.solve(problem, box.lower.data(), box.upper.data(), end.x.data(), options);
    const double right = digits(result.chi2, c.minima), left = fall_left(problem, end.x, box);
    end.at_minimum = right >= 6.0;
    end.stationary = left <= 1e-11; // chi2 of Watson 9 is rounded by 1e-12 of itself
    std::printf("%-43s chi2 %-12.6g %4.1f digits, %7.1g left, %4d evaluations, %s\n", label.c_str(),
                result.chi2, right, left, result.n_evaluations,
                status_names[static_cast<int>(result.status)]);
    for (std::size_t k = 0; k < n; ++k)
        CHECK(box.lower[k] <= end.x[k] && end.x[k] <= box.upper[k]);
    CHECK(result.chi2 <= chi2_at_start);
    CHECK(result.n_evaluations <= options.max_evaluations);
    CHECK(end.at_minimum || end.stationary || !converged(result.status)); // nothing claimed that is not so
    return end;
}

} // namespace

int main() {
    for (const Case& c : cases) {
        Vector answer;
        for (double far = 1.0; far <= c.farthest; far *= 10.0) {
            Vector start = c.start;
            const bool zero = std::count(start.begin(), start.end(), 0.0) == std::ptrdiff_t(start.size());
            for (double& x : start)
                x = zero && far > 1.0 ? far : far * x;
            const std::string name = c.name + " * " + std::to_string(int(far)) + ", ";
            const auto creeps = [&](const char* where) { return creeping.count(name + where) > 0; };

            const End free = solve(c, name + "unbounded", start, unbounded(start.size()));
            CHECK(free.at_minimum != creeps("unbounded"));
            if (far == 1.0)
                answer = free.x;
            const End boxed = solve(c, name + "in a box", start, box_around(start, answer));
            // From farther away, a minimum on the face of a box may come first.
            CHECK((boxed.at_minimum || (far > 1.0 && boxed.stationary)) != creeps("in a box"));
            CHECK(solve(c, name + "cut short", start, box_short_of(start, answer)).stationary !=
                  creeps("cut short"));
        }
    }
    return check::report();
}

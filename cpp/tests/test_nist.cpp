// All 27 nonlinear problems of NIST StRD, from both starts, to the certified values.
#include "check.hpp"
#include "dual.hpp"
#include "maury/solve.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Model = std::function<Dual(const Dual* b, const double* x)>;

Dual cubic_ratio(const Dual* b, const double* x) {
    return (b[0] + *x * (b[1] + *x * (b[2] + *x * b[3]))) / (1.0 + *x * (b[4] + *x * (b[5] + *x * b[6])));
}
Dual gauss(const Dual* b, const double* x) {
    return b[0] * exp(-b[1] * *x) + b[2] * exp(-square((*x - b[3]) / b[4])) +
           b[5] * exp(-square((*x - b[6]) / b[7]));
}
Dual lanczos(const Dual* b, const double* x) {
    return b[0] * exp(-b[1] * *x) + b[2] * exp(-b[3] * *x) + b[4] * exp(-b[5] * *x);
}
Dual chwirut(const Dual* b, const double* x) { return exp(-b[0] * *x) / (b[1] + b[2] * *x); }
Dual saturation(const Dual* b, const double* x) { return b[0] * (1.0 - exp(-b[1] * *x)); }

constexpr double pi = 3.141592653589793238;

const std::map<std::string, Model> models = {
    {"Bennett5", [](const Dual* b, const double* x) { return b[0] * power(b[1] + *x, -1.0 / b[2]); }},
    {"BoxBOD", saturation},
    {"Chwirut1", chwirut},
    {"Chwirut2", chwirut},
    {"DanWood", [](const Dual* b, const double* x) { return b[0] * power(*x, b[1]); }},
    {"ENSO",
     [](const Dual* b, const double* x) {
         const double w = 2.0 * pi * *x;
         return b[0] + b[1] * std::cos(w / 12.0) + b[2] * std::sin(w / 12.0) + b[4] * cos(w / b[3]) +
                b[5] * sin(w / b[3]) + b[7] * cos(w / b[6]) + b[8] * sin(w / b[6]);
     }},
    {"Eckerle4",
     [](const Dual* b, const double* x) { return b[0] / b[1] * exp(-0.5 * square((*x - b[2]) / b[1])); }},
    {"Gauss1", gauss},
    {"Gauss2", gauss},
    {"Gauss3", gauss},
    {"Hahn1", cubic_ratio},
    {"Kirby2",
     [](const Dual* b, const double* x) {
         return (b[0] + *x * (b[1] + *x * b[2])) / (1.0 + *x * (b[3] + *x * b[4]));
     }},
    {"Lanczos1", lanczos},
    {"Lanczos2", lanczos},
    {"Lanczos3", lanczos},
    {"MGH09",
     [](const Dual* b, const double* x) { return b[0] * *x * (*x + b[1]) / (*x * (*x + b[2]) + b[3]); }},
    {"MGH10", [](const Dual* b, const double* x) { return b[0] * exp(b[1] / (*x + b[2])); }},
    {"MGH17",
     [](const Dual* b, const double* x) { return b[0] + b[1] * exp(-b[3] * *x) + b[2] * exp(-b[4] * *x); }},
    {"Misra1a", saturation},
    {"Misra1b",
     [](const Dual* b, const double* x) { return b[0] * (1.0 - 1.0 / square(1.0 + b[1] * *x / 2.0)); }},
    {"Misra1c",
     [](const Dual* b, const double* x) { return b[0] * (1.0 - power(1.0 + 2.0 * b[1] * *x, -0.5)); }},
    {"Misra1d", [](const Dual* b, const double* x) { return b[0] * b[1] * *x / (1.0 + b[1] * *x); }},
    {"Nelson", [](const Dual* b, const double* x) { return b[0] - b[1] * x[0] * exp(-b[2] * x[1]); }},
    {"Rat42", [](const Dual* b, const double* x) { return b[0] / (1.0 + exp(b[1] - b[2] * *x)); }},
    {"Rat43",
     [](const Dual* b, const double* x) { return b[0] / power(1.0 + exp(b[1] - b[2] * *x), 1.0 / b[3]); }},
    {"Roszman1",
     [](const Dual* b, const double* x) { return b[0] - b[1] * *x - atan(b[2] / (*x - b[3])) / pi; }},
    {"Thurber", cubic_ratio},
};

struct Dataset {
    std::vector<double> starts[2], certified, deviation;
    double chi2 = 0.0;
    std::vector<double> y, x; // x: n_predictors values a row
    std::size_t n_predictors = 0;
};

Dataset read(const std::string& path) {
    std::ifstream file(path);
    Dataset set;
    bool in_data = false, parameters = false;
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string first, equals;
        if (in_data) {
            std::vector<double> row;
            for (double value; words >> value;)
                row.push_back(value);
            if (row.empty())
                continue;
            set.n_predictors = row.size() - 1;
            set.y.push_back(row[0]);
            set.x.insert(set.x.end(), row.begin() + 1, row.end());
        } else if (line.find("Start 1") != std::string::npos) {
            parameters = true;
        } else if (line.rfind("Residual Sum of Squares:", 0) == 0) {
            set.chi2 = std::stod(line.substr(24));
            parameters = false;
        } else if (line.rfind("Data:", 0) == 0 && line.find(" x") != std::string::npos && set.chi2 > 0.0) {
            in_data = true;
        } else if (parameters && words >> first >> equals && equals == "=") {
            double value[4];
            words >> value[0] >> value[1] >> value[2] >> value[3];
            set.starts[0].push_back(value[0]);
            set.starts[1].push_back(value[1]);
            set.certified.push_back(value[2]);
            set.deviation.push_back(value[3]);
        }
    }
    return set;
}

class NistProblem final : public maury::Problem {
  public:
    NistProblem(const Dataset& set, const Model& model) : set_(set), model_(model) {}

    double chi2(const double* b) override {
        double sum = 0.0;
        for (std::size_t i = 0; i < set_.y.size(); ++i) {
            const double r = evaluate(b, i).value - set_.y[i];
            sum += r * r;
        }
        return sum;
    }
    void derivatives(const double* b, double* gradient, double* hessian) override {
        const std::size_t n = set_.certified.size();
        std::fill_n(gradient, n, 0.0);
        std::fill_n(hessian, n * n, 0.0);
        for (std::size_t i = 0; i < set_.y.size(); ++i) {
            const Dual model = evaluate(b, i);
            for (std::size_t k = 0; k < n; ++k) {
                gradient[k] += model.slope[k] * (model.value - set_.y[i]);
                for (std::size_t l = 0; l < n; ++l)
                    hessian[k * n + l] += model.slope[k] * model.slope[l];
            }
        }
    }

  private:
    Dual evaluate(const double* b, std::size_t i) const {
        Dual parameters[Dual::size];
        for (std::size_t k = 0; k < set_.certified.size(); ++k) {
            parameters[k].value = b[k];
            parameters[k].slope[k] = 1.0;
        }
        return model_(parameters, &set_.x[i * set_.n_predictors]);
    }
    const Dataset& set_;
    const Model& model_;
};

// Right decimal digits, as NIST counts them (at most the 11 that are certified).
double digits(double got, double certified) {
    return std::min(11.0, -std::log10(std::abs(got - certified) / std::abs(certified) + 1e-30));
}

struct Box {
    std::vector<double> lower, upper;
};

Box unbounded(std::size_t n) {
    const double infinity = std::numeric_limits<double>::infinity();
    return {std::vector<double>(n, -infinity), std::vector<double>(n, infinity)};
}

// Within a factor of two of the start and of the answer.
Box box_around(const std::vector<double>& start, const std::vector<double>& certified) {
    Box box;
    for (std::size_t k = 0; k < start.size(); ++k) {
        const double low = std::min(start[k], certified[k]), high = std::max(start[k], certified[k]);
        box.lower.push_back(low > 0.0 ? low / 2.0 : low * 2.0);
        box.upper.push_back(high > 0.0 ? high * 2.0 : high / 2.0);
    }
    return box;
}

// Without a box these two starts run away for most solvers: BoxBOD's to a plateau, MGH10's along a valley
// whose matrix is singular in double precision.
bool runs_away(const std::string& name, int start) {
    return start == 0 && (name == "BoxBOD" || name == "MGH10");
}

// How many digits of the worst parameter are right.
double solve(const std::string& name, NistProblem& problem, const Dataset& set, int start, const Box& box) {
    maury::SolveOptions options; // parameters are not of order one here, nor chi2 in units of its noise
    options.step_tol = options.gradient_tol = 0.0;
    options.cost_tol = 1e-15;
    options.max_evaluations = 2000;
    std::vector<double> b = set.starts[start];
    const double chi2_at_start = problem.chi2(b.data());
    maury::Solver solver(b.size());
    const maury::SolveResult result =
        solver.solve(problem, box.lower.data(), box.upper.data(), b.data(), options);
    double worst = 11.0;
    for (std::size_t k = 0; k < b.size(); ++k)
        worst = std::min(worst, digits(b[k], set.certified[k]));
    std::printf("%-9s start %d %-9s %5.1f digits, %4d evaluations\n", name.c_str(), start + 1,
                std::isinf(box.lower[0]) ? "unbounded" : "in a box", worst, result.n_evaluations);
    CHECK(result.chi2 <= chi2_at_start);
    CHECK(result.n_evaluations <= options.max_evaluations);
    return worst;
}

} // namespace

int main() {
    CHECK(models.size() == 27);
    for (const auto& [name, model] : models) {
        Dataset set = read(std::string(MAURY_NIST_FOLDER) + "/" + name + ".dat");
        if (!CHECK(!set.y.empty() && !set.certified.empty() && set.chi2 > 0.0))
            continue;
        if (name == "Nelson") // its model is of log y
            for (double& y : set.y)
                y = std::log(y);
        NistProblem problem(set, model);
        for (const int start : {0, 1}) {
            const double free = solve(name, problem, set, start, unbounded(set.certified.size()));
            CHECK(free >= 6.0 || runs_away(name, start));
            CHECK(solve(name, problem, set, start, box_around(set.starts[start], set.certified)) >= 6.0);
        }
    }
    return check::report();
}

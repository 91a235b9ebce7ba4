#include "fit_plan.hpp"

#include "maury/parallel.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

namespace maury {
namespace {

void set_bounds(const Emulator& emulator, const FitInput& input, FitPlan& plan) {
    const std::size_t n = emulator.n_labels();
    plan.lower.resize(n);
    plan.upper.resize(n);
    emulator.to_scaled(input.lower, plan.lower.data());
    emulator.to_scaled(input.upper, plan.upper.data());
    for (std::size_t l = 0; l < n; ++l)
        if (!(std::isfinite(plan.lower[l]) && std::isfinite(plan.upper[l]) && plan.lower[l] <= plan.upper[l]))
            throw std::invalid_argument("lower, upper: label " + std::to_string(l) +
                                        " needs finite lower <= upper, both positive for a log10 transform");
}

void set_candidates(const Emulator& emulator, const FitInput& input, int threads,
                    const std::function<void(std::size_t)>& wake, FitPlan& plan) {
    const std::size_t n = emulator.n_labels();
    std::vector<double> x(n);
    for (std::size_t m = 0; m < (input.candidates ? input.n_candidates : 0); ++m) {
        emulator.to_scaled(input.candidates + m * n, x.data());
        bool inside = true;
        for (std::size_t l = 0; l < n; ++l)
            inside = inside && x[l] >= plan.lower[l] && x[l] <= plan.upper[l];
        if (inside)
            plan.candidates.insert(plan.candidates.end(), x.begin(), x.end());
    }
    const std::size_t count = plan.candidates.size() / n;
    if (count == 0)
        return;
    const std::size_t size = plan.basis ? emulator.n_coefficients() : emulator.n_pixels();
    plan.models.resize(count * size);
    std::vector<Emulator::Workspace> work(worker_count(count, threads), Emulator::Workspace(emulator));
    parallel_for(
        count, threads,
        [&](std::size_t worker, std::size_t m, const StopFlag&) {
            const double* labels = &plan.candidates[m * n];
            double* model = &plan.models[m * size];
            if (plan.basis)
                emulator.coefficients_scaled(labels, work[worker], model);
            else
                emulator.flux_scaled(labels, work[worker], model);
        },
        [&](std::size_t) { wake(0); });
}

} // namespace

FitPlan make_plan(const Emulator& emulator, const FitInput& input, const SolveOptions& options, int threads,
                  const std::function<void(std::size_t)>& wake) {
    FitPlan plan;
    set_bounds(emulator, input, plan);
    if (input.n_spectra == 0)
        return plan;
    // One evaluation is the least that the finish in pixel space takes.
    if (input.compress && compresses(emulator) && options.max_evaluations > 1)
        plan.basis = std::make_unique<const Basis>(emulator);
    set_candidates(emulator, input, threads, wake, plan);
    return plan;
}

} // namespace maury

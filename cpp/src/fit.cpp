#include "maury/fit.hpp"

#include "fitter.hpp"
#include "maury/parallel.hpp"

#include <memory>
#include <vector>

namespace maury {

template <typename Number>
void fit_batch(const FitPlan& plan, const FitInput<Number>& input, const FitOutput& output,
               const SolveOptions& options, int threads, const std::function<void(std::size_t)>& wake) {
    if (input.n_spectra == 0)
        return;
    std::vector<std::unique_ptr<Fitter<Number>>> fitters;
    for (std::size_t worker = 0; worker < worker_count(input.n_spectra, threads); ++worker)
        fitters.push_back(std::make_unique<Fitter<Number>>(plan, input, output, options));
    parallel_for(
        input.n_spectra, threads,
        [&](std::size_t worker, std::size_t i, const StopFlag& stop) { fitters[worker]->fit(i, stop); },
        wake);
}

template void fit_batch<float>(const FitPlan&, const FitInput<float>&, const FitOutput&, const SolveOptions&,
                               int, const std::function<void(std::size_t)>&);
template void fit_batch<double>(const FitPlan&, const FitInput<double>&, const FitOutput&,
                                const SolveOptions&, int, const std::function<void(std::size_t)>&);

} // namespace maury

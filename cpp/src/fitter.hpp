// The fit of one spectrum: compress, search, finish, store.
#pragma once

#include "candidates.hpp"
#include "compressed_problem.hpp"
#include "maury/fit.hpp"
#include "maury/parallel.hpp"
#include "pixel_problem.hpp"
#include "search.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace maury {

// One thread's tools and memory; fit allocates nothing.
template <typename Number> class Fitter {
  public:
    Fitter(const FitPlan& plan, const FitInput<Number>& input, const FitOutput& output,
           const SolveOptions& options);

    void fit(std::size_t spectrum, const StopFlag& stop);

  private:
    void choose_starts(std::size_t spectrum, bool compressed);
    Status search_compressed(std::size_t spectrum, const StopFlag& stop);
    Status search_pixels(std::size_t spectrum);
    SolveResult solve(Problem& problem, double* x, const SolveOptions& options, std::size_t spectrum,
                      const double* curvature = nullptr);
    void store_solution(std::size_t spectrum);
    bool store_covariance(std::size_t spectrum);
    double distance_squared(const double* x) const;

    const FitPlan& plan_;
    const Emulator& emulator_;
    const FitInput<Number>& input_;
    const FitOutput& output_;
    const SolveOptions& options_;
    std::size_t n_; // L
    TrunkPoint point_;
    std::unique_ptr<TrunkPoint> cut_point_; // null: no cut, point_ serves both
    PixelProblem pixels_;
    Compressed compressed_;
    CompressedProblem compressed_problem_;
    Search search_;
    std::unique_ptr<Candidates::Workspace> candidate_work_; // null: no candidates
    Solver solver_;
    std::vector<double> ends_; // (S, L) scaled: where the starts ended
    std::vector<double> start_, best_, hessian_, factor_, column_, scale_;
    double least_ = 0.0; // chi2 at best_
    std::vector<std::size_t> free_;
};

extern template class Fitter<float>;
extern template class Fitter<double>;

} // namespace maury

// The fit of one spectrum: compress, search, finish; again without outliers; store.
#pragma once

#include "candidates.hpp"
#include "compressed_problem.hpp"
#include "maury/fit.hpp"
#include "maury/parallel.hpp"
#include "pixel_problem.hpp"
#include "search.hpp"
#include "spectrum.hpp"
#include "view.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace maury {

// One thread's tools and memory; fit allocates nothing, once memory has grown to what the spectra need.
template <typename Number> class Fitter {
  public:
    Fitter(const FitPlan& plan, const FitInput<Number>& input, const FitOutput& output,
           const SolveOptions& options);

    void fit(std::size_t spectrum, const StopFlag& stop);

  private:
    std::size_t set(std::size_t spectrum);
    Status measure(std::size_t spectrum, const StopFlag& stop);
    Status measure_once(std::size_t spectrum, const StopFlag& stop);
    Status measure_without_outliers(std::size_t spectrum, Status status, const StopFlag& stop);
    void choose_starts(std::size_t spectrum, bool compressed);
    Status search_compressed(std::size_t spectrum, const StopFlag& stop);
    Status search_pixels(std::size_t spectrum);
    SolveResult finish(std::size_t spectrum, double* x, const double* curvature, const SolveOptions& options);
    Status keep(const SolveResult& result, const std::vector<double>& x);
    void store_nothing(std::size_t spectrum);
    void store_solution(std::size_t spectrum);
    bool store_covariance(std::size_t spectrum);
    void store_agreement(std::size_t spectrum, const double* winner);

    const FitPlan& plan_;
    const Emulator& emulator_;
    const FitInput<Number>& input_;
    const FitOutput& output_;
    const SolveOptions& options_;
    std::size_t n_, n_all_; // L, and with the nuisances
    Spectrum spectrum_;
    TrunkPoint point_;
    std::unique_ptr<TrunkPoint> cut_point_; // null: no cut, point_ serves both
    std::unique_ptr<View> view_;            // null: on the emulator's own pixels,
    std::unique_ptr<PixelProblem> pixels_;  // which this is for
    FullProblem& full_;
    Compressed compressed_;
    CompressedProblem compressed_problem_;
    Search search_;
    std::unique_ptr<Candidates::Workspace> candidate_work_; // null: no candidates
    Solver solver_, full_solver_;
    std::vector<double> lower_, upper_; // (n_all,)
    std::vector<double> ends_;          // (S, L) scaled: where the starts ended
    // (n_all,) but for hessian_, factor_ and curvature_, (n_all, n_all)
    std::vector<double> start_, best_, first_, hessian_, factor_, curvature_, column_, scale_;
    double least_ = 0.0; // chi2 at best_
    std::vector<std::size_t> free_;
};

extern template class Fitter<float>;
extern template class Fitter<double>;

} // namespace maury

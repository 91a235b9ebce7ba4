// The fit of one spectrum: compress, search, finish; again without outliers; store.
// In coefficients where they tell all (fitter_coefficients.cpp), else in pixels (fitter_pixels.cpp).
#pragma once

#include "candidates.hpp"
#include "compressed_problem.hpp"
#include "maury/fit.hpp"
#include "maury/parallel.hpp"
#include "median_ratio.hpp"
#include "mixed_problem.hpp"
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
    static constexpr double newton = 1e-4; // damping of what starts next to the least
    static constexpr int most_rounds = 5;  // of clipping

    std::size_t set(std::size_t spectrum);
    Status measure(std::size_t spectrum, bool to_the_end, const StopFlag& stop);
    void choose_starts(std::size_t spectrum, bool compressed);
    std::size_t search(std::size_t spectrum, const StopFlag& stop);
    Spectrum::Clipped clip(std::size_t spectrum, const double* model);
    bool misled(const Spectrum::Clipped& clipped) const;
    bool too_few(std::size_t spectrum) const;
    void see();
    const float* rows() const { return view_ ? view_->rows() : emulator_.basis().rows; }
    const double* mean() const { return view_ ? view_->mean() : emulator_.basis().mean.data(); }

    // fitter_coefficients.cpp
    bool measure_in_coefficients(std::size_t spectrum, Status& status, const StopFlag& stop);
    bool leave_out(std::size_t spectrum, const Spectrum::Clipped& clipped, Status& status,
                   const StopFlag& stop);
    bool find(std::size_t spectrum, Status& status, const StopFlag& stop);
    Status follow(std::size_t spectrum, const double* curvature, double tolerance);
    bool finish_in_coefficients(std::size_t spectrum, Status& status, const StopFlag& stop);

    // fitter_pixels.cpp
    Status measure_in_pixels(std::size_t spectrum, const StopFlag& stop);
    Status measure_all_turns(std::size_t spectrum, const StopFlag& stop);
    Status measure_once(std::size_t spectrum, const StopFlag& stop);
    Status search_compressed(std::size_t spectrum, const StopFlag& stop);
    Status search_pixels(std::size_t spectrum);
    SolveResult finish(std::size_t spectrum, double* x, const double* curvature, const SolveOptions& options);
    Status keep(const SolveResult& result, const std::vector<double>& x);

    // fitter_twice.cpp
    Status measure_twice(std::size_t spectrum, const StopFlag& stop);
    void renormalise(std::size_t spectrum);

    // fitter_store.cpp
    void store_nothing(std::size_t spectrum);
    void store_solution(std::size_t spectrum);
    bool store_covariance(std::size_t spectrum);
    void store_agreement(std::size_t spectrum, const double* winner);

    const FitPlan& plan_;
    const Emulator& emulator_;
    const FitInput<Number>& input_;
    const FitOutput& output_;
    const SolveOptions& options_;
    std::size_t n_, n_all_, n_pixels_; // L, and with the nuisances; P
    Spectrum spectrum_;
    TrunkPoint point_;
    std::unique_ptr<TrunkPoint> cut_point_; // null: no cut, point_ serves both
    std::unique_ptr<View> view_;            // null: on the emulator's own pixels,
    std::unique_ptr<PixelProblem> pixels_;  // which this is for
    std::unique_ptr<MedianRatio> ratio_;    // null: one fit
    FullProblem& full_;
    Compressed compressed_;
    CompressedProblem compressed_problem_;
    MixedProblem mixed_;
    Search search_;
    std::unique_ptr<Candidates::Workspace> candidate_work_; // null: no candidates
    Solver solver_, full_solver_;
    std::vector<double> lower_, upper_; // (n_all,)
    std::vector<double> ends_;          // (S, L) scaled: where the starts ended
    // (n_all,) but for hessian_, factor_ and curvature_, (n_all, n_all)
    std::vector<double> start_, best_, first_, hessian_, factor_, curvature_, column_, scale_;
    double least_ = 0.0;        // chi2 at best_
    std::vector<double> model_; // (P,) in coefficients
    std::vector<std::size_t> free_;
    bool in_coefficients_; // whether those tell all
    bool seen_ = false;    // the rows are those of this spectrum
    bool near_ = false;    // the start is near_start_, next to the solution
    std::vector<double> near_start_;
    int budget_ = 0; // of evaluations, that are left
    int rounds_ = 0; // of clipping, that are left
};

extern template class Fitter<float>;
extern template class Fitter<double>;

} // namespace maury

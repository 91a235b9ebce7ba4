// The fit of one spectrum, stage by stage: pixels, first continuum, velocity, search, finish, outliers,
// store.
#pragma once

#include "candidates.hpp"
#include "clip.hpp"
#include "continuum.hpp"
#include "finish.hpp"
#include "gram_stretches.hpp"
#include "label_prior.hpp"
#include "maury/measure.hpp"
#include "maury/parallel.hpp"
#include "maury/solve.hpp"
#include "maury/trunk.hpp"
#include "pixels.hpp"
#include "quadratic.hpp"
#include "search.hpp"
#include "velocity_scan.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace maury {

// One thread's tools and memory; nothing is allocated once memory has grown to what the spectra need.
class SpectrumFit {
  public:
    SpectrumFit(const Plan& plan, const Options& options, const Spectra& spectra, const Results& results);

    void fit(std::size_t spectrum, const StopFlag& stop);
    void show(std::size_t spectrum, const StopFlag& stop); // see maury::show
    void chi2(std::size_t spectrum, const Points& points, double* out, const StopFlag& stop); // maury::chi2

  private:
    static constexpr int most_rounds = 5; // of outliers

    // spectrum_fit.cpp
    Status measure(std::size_t i, const StopFlag& stop);
    double known_velocity(std::size_t i) const;
    void normalise();
    double find_velocity(double most, const StopFlag& stop);
    bool weigh(std::size_t i, const StopFlag& stop); // false: too few pixels
    void set_finish(const StopFlag& stop);
    bool left_out(std::size_t p) const;
    void set_nuisances(std::size_t i);

    // spectrum_known.cpp
    bool weigh_at(std::size_t i, double rv, const StopFlag& stop);

    // spectrum_search.cpp
    bool search(const StopFlag& stop);
    bool search_again(const StopFlag& stop);
    void set_gram();
    void centre_on_mean();
    void centre_on(const double* x);
    void find_starts();
    void centre_on_first_start();
    void add_candidates();
    bool choose_end(const StopFlag& stop);
    Status try_guess(Status found, const StopFlag& stop);
    bool guess_wins(const StopFlag& stop);
    bool keep_if_lower(double& least);

    // spectrum_finish.cpp
    Status finish(const StopFlag& stop);
    void take_last_step(const SolveResult& result);
    bool leave_out_outliers();
    SolveResult solve(double* x, double tolerance, int most_evaluations);
    bool moved() const;

    // spectrum_store.cpp
    void store_nothing(std::size_t i);
    void store_no_models(std::size_t i);
    void store(std::size_t i);
    bool store_covariance(std::size_t i);
    void store_velocities(std::size_t i);
    void store_models(std::size_t i);
    std::int32_t count_agreeing() const;
    double distance_squared(const double* x, const double* y) const;

    const Plan& plan_;
    const Emulator& emulator_;
    const Options& options_;
    const Spectra& spectra_;
    const Results& results_;
    std::size_t n_, n_all_; // L, and with the nuisances
    TrunkPoint point_;
    std::unique_ptr<TrunkPoint> cut_point_; // null: no cut, point_ serves both
    Pixels pixels_;
    FirstContinuum first_continuum_;
    VelocityScan velocity_scan_;
    Finish finish_;
    LabelPrior prior_;
    Quadratic quadratic_;
    GramStretches::Workspace gram_work_;
    Search search_;
    std::unique_ptr<Candidates::Workspace> candidate_work_; // null: no candidates
    Clip clip_;
    std::vector<std::unique_ptr<Solver>> solvers_; // by the number of nuisances

    std::size_t spectrum_ = 0, first_ = 0, n_used_ = 0, n_pixels_ = 0,
                n_clipped_ = 0; // pixels: first, in all, used
    int n_evaluations_ = 0;
    double shift_ = 0.0; // where the search looks
    bool free_ = false, guessed_ = false, misled_ = false;
    Nuisances nuisances_;
    std::vector<double> continuum_;               // (P,) the first one; 1 for normalised data
    std::vector<double> normalised_, relative_;   // (P,) flux / continuum, and its inverse variance
    std::vector<double> weight_, values_, scale_; // of the pixels in use
    std::vector<double> stretch_weight_, stretch_variance_;
    std::vector<double> lower_, upper_, best_, before_, trial_, guess_, ends_, hessian_, factor_, column_,
        dx_dlabel_, h_, winner_, errors_, inverse_;
    std::vector<std::size_t> free_parameters_, rivals_;
};

} // namespace maury

// The search for the least compressed chi2: several starts side by side, in float32.
#pragma once

#include "candidates.hpp"
#include "label_prior.hpp"
#include "maury/emulator.hpp"
#include "maury/parallel.hpp"
#include "maury/solve.hpp"
#include "quadratic.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// Levenberg-Marquardt from each start. A trial step costs one pass of the trunk for all starts at once;
// tangents are computed where a step is accepted. Of starts that head for the same place one goes on; a start
// that is sure to end higher than another is given up. Where the spectrum hardly tells a label, the ends of
// the valley are starts too.
class Search {
  public:
    // most: of starts that will be added by the caller. candidates may be null. The prior is added to every
    // chi2. All must outlive this.
    Search(const Emulator& emulator, const Candidates* candidates, LabelPrior& prior, std::size_t most);

    void clear() { n_ = 0; }
    void add(const double* x); // scaled labels (L,)
    // A candidate with its chi2 and slope G d - c (K,), which must live until run is over.
    void add_candidate(std::size_t m, double chi2, const double* slope);
    std::size_t size() const { return n_; }
    const double* start(std::size_t i) const { return paths_[i].start.data(); }

    // Moves every start to its end; of candidates only the best n_followed, or some more. lower and upper
    // (L,) scaled. Adds ends of valleys to the candidates.
    void run(const Quadratic& spectrum, const double* lower, const double* upper, const SolveOptions& options,
             std::size_t n_followed, const StopFlag& stop);

    // Where start i ended, or the one that it joined, and how; whether it was followed at all. Of the starts
    // whose status is not NON_FINITE, best() has the least chi2; size() if there is none.
    bool followed(std::size_t i) const { return paths_[i].chosen; }
    const double* x(std::size_t i) const { return paths_[i].end.data(); }
    const SolveResult& result(std::size_t i) const { return paths_[i].solver.result(); }
    std::size_t best() const;
    // Neither joined another nor failed.
    bool ended(std::size_t i) const {
        return paths_[i].joined == none && paths_[i].chosen && result(i).status != Status::NON_FINITE;
    }
    // (x - y)'H (x - y) with the hessian of start i: in squared formal errors
    double distance_squared(const double* x, const double* y, std::size_t i) const;

  private:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);
    struct Path {
        Path(std::size_t n_labels, std::size_t n)
            : solver(n_labels), start(n_labels), end(n_labels), slope(n) {}
        Solver solver;
        std::size_t candidate = none, joined = none;
        double known_chi2 = 0.0; // of the candidate
        const double* known_slope = nullptr;
        bool chosen = false;
        std::vector<double> start, end, slope; // slope G d - c of the last look
    };

    bool look(Path& path, const Quadratic& spectrum, const float* h);
    void accept(Path& path, const Quadratic& spectrum, const double* slope, const float* tangents);
    void narrow(std::size_t n);
    void follow(const Quadratic& spectrum, const StopFlag& stop);
    void add_ends_of_valleys(const double* lower, const double* upper, const SolveOptions& options);
    void join();
    void give_up();

    std::size_t n_labels_, n_coefficients_, n_ = 0;
    const Candidates* candidates_;
    LabelPrior& prior_;
    TrunkColumns columns_;
    BoxStep step_;
    std::vector<Path> paths_;
    std::vector<std::size_t> active_;
    std::vector<double> x_, coefficients_, gradient_, hessian_; // (S, L), (K,), (L,), (L, L)
    std::vector<double> end_, low_, high_;                      // (L,)
    std::vector<float> h_, tangents_, product_;                 // (S, K), (L, K), (L, K)
};

} // namespace maury

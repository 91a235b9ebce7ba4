// Labels spread over where stars are, with their coefficients: where a search may start.
#pragma once

#include "label_prior.hpp"
#include "maury/aligned.hpp"
#include "maury/emulator.hpp"
#include "quadratic.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace maury {

// M candidates. They are kept in panels of neighbours, so that one of a panel speaks for the others.
class Candidates {
  public:
    // x (M, L) scaled labels. threads and wake: see parallel_for.
    Candidates(const Emulator& emulator, const std::vector<double>& x, int threads,
               const std::function<void(std::size_t)>& wake);

    std::size_t size() const { return x_.size() / n_labels_; }
    const double* x(std::size_t m) const { return &x_[m * n_labels_]; }                   // (L,)
    const float* coefficients(std::size_t m) const { return &coefficients_[m * n_]; }     // (K,)
    const float* tangents(std::size_t m) const { return &tangents_[m * n_labels_ * n_]; } // (L, K)

    // Memory of best; one a thread.
    struct Workspace {
        Workspace(const Candidates& candidates, std::size_t n); // n: the most that best is asked for
        std::size_t most() const { return most_chosen; }
        std::vector<float> product, matrix, vector, rough; // rough (panels,): the least of each
        std::vector<std::uint32_t> which;
        std::vector<double> coefficients, left;
        std::vector<std::size_t> order, chosen; // the numbers of those compared; places in order
        std::vector<double> chi2, slope;        // of those compared: chi2, G d - c (K,)
        std::size_t most_chosen;
    };

    // Up to n of the lowest chi2, with that of the prior, that lie more than `distinct` of the label range
    // from each other, best first. Those of the lowest chi2 in few directions are compared in all. For c of
    // work.chosen: candidate work.order[c], its chi2 work.chi2[c], its G d - c work.slope[c K].
    void best(const Quadratic& spectrum, LabelPrior& prior, std::size_t n, double distinct,
              Workspace& work) const;

  private:
    void sort_into_panels();
    void find_directions(const Emulator& emulator);
    bool apart(const double* x, const double* y, double distance) const;

    std::size_t n_labels_, n_, n_directions_; // L, K, R
    std::vector<double> x_;                   // (M, L)
    std::vector<float> coefficients_, tangents_;
    std::vector<float> directions_; // (R, K): d ~ directions' y
    Aligned<float> places_;         // y, (panels, R, panel); the last panel is filled up with its first place
};

} // namespace maury

// A spectrum on pixels of its own: the basis as its instrument shows it, and the full problem.
#pragma once

#include "maury/aligned.hpp"
#include "maury/emulator.hpp"
#include "maury/fit.hpp"
#include "observed_problem.hpp"
#include "spectrum.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace maury {

// The pixels of spectrum i.
ObservedPixels pixels_of(const Observed& observed, std::size_t i);

class View {
  public:
    // All must outlive this.
    View(const Emulator& emulator, const Observed& observed, TrunkPoint& point, const Spectrum& spectrum);

    // Spectrum i. x (parameters,): where to start, but for the labels.
    void set(std::size_t i, double* x);
    // Leaves the pixels from the first to the last that lie on the emulator at the start: [first(), first() +
    // n()).
    void narrow();
    // The same, but of the pixels from the first to the last that are inside (P,) the instrument knows all.
    void narrow(const bool* inside);
    // (P,) as all of those see it; NaN elsewhere
    void see_all(const double* coefficients, double* out) const;
    std::size_t first() const { return first_; }
    std::size_t n() const { return instrument_.pixels().n; }
    // Of those: scatter (P of the emulator,), null = 0, as they see it; NaN beyond the emulator.
    const double* scatter(const double* scatter);
    const double* scatter() const { return scatter_.data(); } // the same once more

    // An arm without weight (n(),) tells no velocity, and one is needed that the others differ from.
    void fix_unseen_arms(const double* weight);

    // The basis as seen with the nuisances of x, and whether those of another x are too far from them.
    void see(const double* x);
    bool moved(const double* x) const;
    const float* rows() const { return rows_.data(); }
    const double* mean() const { return mean_.data(); }

    ObservedProblem& problem() { return problem_; }
    double lower(std::size_t nuisance) const { return lower_[nuisance]; }
    double upper(std::size_t nuisance) const { return upper_[nuisance]; }

  private:
    bool on_emulator(std::size_t p) const;
    std::pair<std::size_t, std::size_t> on_emulator() const;
    bool has_neighbours(std::size_t p) const;
    double least_variance() const;

    const Emulator& emulator_;
    const Observed& observed_;
    Instrument instrument_;
    ObservedProblem problem_;
    Aligned<float> rows_;
    std::vector<double> mean_, scatter_, seen_, lower_, upper_;
    double shift_ = 0.0;
    std::size_t first_ = 0, first_known_ = 0;
};

} // namespace maury

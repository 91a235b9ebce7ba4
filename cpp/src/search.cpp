#include "search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace maury {
namespace {

// Candidates whose chi2 differs by less are all worth a look: at low S/N the least may be behind any of them.
constexpr double close_call = 20.0;
// Starts head for the same place when their next steps lead so near to each other, in squared formal errors:
// this, or this part of what the shorter step promises, which is its length squared.
constexpr double same_place = 0.1, same_part = 0.1;
// A start is given up when it promises less than a tenth of what it is behind.
constexpr double hopeless = 0.1;
// The bound of a label is the end of a valley where it lies so far from the least, in squared formal errors.
constexpr double shortest_valley = 0.1, longest_valley = 100.0;

bool has_converged(const Solver& solver) { return converged(solver.result().status) && !solver.running(); }

} // namespace

Search::Search(const Emulator& emulator, const Candidates* candidates, LabelPrior& prior, std::size_t most)
    : n_labels_(emulator.n_labels()), n_coefficients_(emulator.basis().n_coefficients),
      candidates_(candidates), prior_(prior), columns_(emulator.search_trunk(), most + 2 * n_labels_),
      step_(n_labels_), paths_(most + 2 * n_labels_, Path(n_labels_, n_coefficients_)),
      x_(paths_.size() * n_labels_), coefficients_(n_coefficients_), gradient_(n_labels_),
      hessian_(n_labels_ * n_labels_), end_(n_labels_), low_(n_labels_), high_(n_labels_),
      h_(paths_.size() * n_coefficients_), tangents_(n_labels_ * n_coefficients_),
      product_(tangents_.size()) {
    active_.reserve(paths_.size());
}

void Search::add(const double* x) {
    Path& path = paths_[n_++];
    path.candidate = path.joined = none;
    std::copy_n(x, n_labels_, path.start.begin());
}

void Search::add_candidate(std::size_t m, double chi2, const double* slope) {
    add(candidates_->x(m));
    Path& path = paths_[n_ - 1];
    path.candidate = m;
    path.known_chi2 = chi2;
    path.known_slope = slope;
}

void Search::run(const Quadratic& spectrum, const double* lower, const double* upper,
                 const SolveOptions& options, std::size_t n_followed, const StopFlag& stop) {
    for (std::size_t i = 0; i < n_; ++i) {
        Path& path = paths_[i];
        path.solver.begin(lower, upper, path.start.data(), options);
        if (path.candidate == none)
            continue;
        if (path.solver.judge(path.known_chi2 +
                              prior_.chi2(path.solver.trial()))) // all is known, without the trunk
            accept(path, spectrum, path.known_slope, candidates_->tangents(path.candidate));
        path.solver.propose();
    }
    narrow(n_followed);
    follow(spectrum, stop);
    add_ends_of_valleys(lower, upper, options);
    follow(spectrum, stop);
    for (std::size_t i = 0; i < n_; ++i) {
        const Path* path = &paths_[i];
        while (path->joined != none)
            path = &paths_[path->joined];
        // A path that has converged ends after the last step, which is too short to need a look.
        const Solver& solver = path->solver;
        std::copy_n(solver.result().status == Status::GRADIENT ? solver.trial() : solver.x(), n_labels_,
                    paths_[i].end.begin());
    }
}

void Search::follow(const Quadratic& spectrum, const StopFlag& stop) {
    for (;;) {
        join();
        give_up();
        active_.clear();
        for (std::size_t i = 0; i < n_; ++i)
            if (paths_[i].solver.running()) {
                std::copy_n(paths_[i].solver.trial(), n_labels_, &x_[active_.size() * n_labels_]);
                active_.push_back(i);
            }
        if (active_.empty())
            break;
        stop.check();
        columns_.coefficients(x_.data(), active_.size(), h_.data());
        for (std::size_t a = 0; a < active_.size(); ++a) {
            Path& path = paths_[active_[a]];
            if (look(path, spectrum, &h_[a * n_coefficients_])) {
                columns_.tangents(a, tangents_.data());
                accept(path, spectrum, path.slope.data(), tangents_.data());
            }
            path.solver.propose();
        }
    }
}

// Along a valley there may be several minima, and candidates lie in the deeper parts of its walls. Its end is
// the least with a label at a bound, as the quadratic model at the best path predicts.
void Search::add_ends_of_valleys(const double* lower, const double* upper, const SolveOptions& options) {
    const std::size_t from = best();
    if (from == n_ || paths_[from].candidate == none)
        return;
    const Solver& solver = paths_[from].solver;
    const double *const x = solver.x(), *const hessian = solver.hessian();
    for (std::size_t l = 0; l < n_labels_; ++l)
        for (const double bound : {lower[l], upper[l]}) {
            std::copy_n(x, n_labels_, end_.begin());
            std::copy_n(lower, n_labels_, low_.begin());
            std::copy_n(upper, n_labels_, high_.begin());
            end_[l] = low_[l] = high_[l] = bound;
            for (std::size_t k = 0; k < n_labels_; ++k)
                gradient_[k] = solver.gradient()[k] + hessian[k * n_labels_ + l] * (bound - x[l]);
            if (!step_.find(hessian, gradient_.data(), low_.data(), high_.data(), end_.data()))
                continue;
            for (std::size_t k = 0; k < n_labels_; ++k)
                end_[k] += step_[k];
            const double length = distance_squared(end_.data(), x, from);
            if (length < shortest_valley || length > longest_valley)
                continue;
            add(end_.data());
            paths_[n_ - 1].chosen = true;
            paths_[n_ - 1].solver.begin(lower, upper, end_.data(), options);
        }
}

// Of the candidates leaves n, in turn the one of the least chi2 and the one that promises the least; and
// those that the noise does not tell from the first.
void Search::narrow(std::size_t n) {
    for (std::size_t i = 0; i < n_; ++i) // a candidate may lie where a search would end
        paths_[i].chosen = paths_[i].candidate == none || has_converged(paths_[i].solver);
    const auto choose_least = [&](auto value) {
        Path* least = nullptr;
        for (std::size_t i = 0; i < n_; ++i) {
            Path& path = paths_[i];
            if (!path.chosen && path.solver.running() &&
                (!least || value(path.solver) < value(least->solver)))
                least = &path;
        }
        if (least)
            least->chosen = true;
    };
    for (std::size_t i = 0; i < n; ++i)
        if (i % 2 == 0)
            choose_least([](const Solver& solver) { return solver.result().chi2; });
        else
            choose_least([](const Solver& solver) { return solver.result().chi2 - solver.promise(); });
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < n_; ++i)
        if (paths_[i].chosen && paths_[i].candidate != none)
            least = std::min(least, paths_[i].solver.result().chi2);
    for (std::size_t i = 0; i < n_; ++i) {
        Path& path = paths_[i];
        path.chosen =
            path.chosen || (path.solver.running() && path.solver.result().chi2 < least + close_call);
        if (!path.chosen && path.solver.running())
            path.solver.stop(Status::STALLED);
    }
}

// True if the place with coefficients h is better.
bool Search::look(Path& path, const Quadratic& spectrum, const float* h) {
    std::copy_n(h, n_coefficients_, coefficients_.begin());
    return path.solver.judge(spectrum.chi2(coefficients_.data(), path.slope.data()) +
                             prior_.chi2(path.solver.trial()));
}

void Search::accept(Path& path, const Quadratic& spectrum, const double* slope, const float* tangents) {
    spectrum.derivatives(tangents, n_labels_, slope, product_.data(), gradient_.data(), hessian_.data());
    prior_.add_gradient(path.solver.trial(), gradient_.data());
    prior_.add_hessian(path.solver.trial(), hessian_.data(), n_labels_);
    path.solver.accept(gradient_.data(), hessian_.data());
}

void Search::join() {
    for (std::size_t i = 0; i < n_; ++i)
        for (std::size_t j = 0; j < n_; ++j) {
            Path &one = paths_[i], &other = paths_[j];
            // Where damping holds a step back, or nothing is known yet, it does not say where a path ends.
            if (i == j || one.joined != none || !other.solver.running() ||
                !std::isfinite(one.solver.promise()) || !std::isfinite(other.solver.promise()) ||
                other.solver.result().chi2 < one.solver.result().chi2)
                continue;
            const double reach =
                std::max(same_place, same_part * std::min(one.solver.promise(), other.solver.promise()));
            if (distance_squared(one.solver.trial(), other.solver.trial(), i) <= reach) {
                other.solver.stop(Status::STEP);
                other.joined = i;
            }
        }
}

double Search::distance_squared(const double* x, const double* y, std::size_t i) const {
    const double* hessian = paths_[i].solver.hessian();
    double sum = 0.0;
    for (std::size_t k = 0; k < n_labels_; ++k)
        for (std::size_t l = 0; l < n_labels_; ++l)
            sum += (x[k] - y[k]) * hessian[k * n_labels_ + l] * (x[l] - y[l]);
    return sum;
}

void Search::give_up() {
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < n_; ++i)
        if (has_converged(paths_[i].solver))
            least = std::min(least, paths_[i].solver.result().chi2);
    for (std::size_t i = 0; i < n_; ++i) {
        Solver& solver = paths_[i].solver;
        if (solver.running() && solver.promise() < hopeless * (solver.result().chi2 - least))
            solver.stop(Status::STALLED);
    }
}

std::size_t Search::best() const {
    std::size_t best = n_;
    for (std::size_t i = 0; i < n_; ++i)
        if (paths_[i].joined == none && result(i).status != Status::NON_FINITE &&
            (best == n_ || result(i).chi2 < result(best).chi2))
            best = i;
    return best;
}

} // namespace maury

#include "maury/fit.hpp"

#include "cholesky.hpp"
#include "fit_plan.hpp"
#include "maury/parallel.hpp"
#include "pixel_problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

namespace maury {
namespace {

constexpr double not_known = std::numeric_limits<double>::quiet_NaN();
constexpr double distinct = 0.1;         // of the label range: nearer candidates count as one
constexpr double agreement = 0.1;        // formal errors: nearer solutions count as one
constexpr double smallest_pivot = 1e-13; // of its diagonal: below, a matrix counts as singular

// One thread's tools and memory.
class Fitter {
  public:
    Fitter(const Emulator& emulator, const FitInput& input, const FitOutput& output,
           const SolveOptions& options, const FitPlan& plan)
        : emulator_(emulator), input_(input), output_(output), options_(options), plan_(plan),
          n_(emulator.n_labels()), problem_(emulator), solver_(n_), best_(n_), hessian_(n_ * n_),
          factor_(n_ * n_), column_(n_), scale_(n_), candidate_chi2_(plan.candidates.size() / n_) {
        starts_.reserve(n_ * std::max(input.n_given, input.n_starts + 1));
        if (plan.basis)
            compressed_ = std::make_unique<CompressedProblem>(emulator, *plan.basis);
    }

    void fit(std::size_t spectrum, const StopFlag& stop);

  private:
    Status search(std::size_t spectrum, const StopFlag& stop);
    void choose_starts(std::size_t spectrum);
    void add_best_candidates();
    void store_solution(std::size_t spectrum);
    bool store_covariance(std::size_t spectrum);
    double distance_squared(const double* x) const;

    const Emulator& emulator_;
    const FitInput& input_;
    const FitOutput& output_;
    const SolveOptions& options_;
    const FitPlan& plan_;
    std::size_t n_;
    PixelProblem problem_;
    std::unique_ptr<CompressedProblem> compressed_; // null: the search goes through the pixels
    Solver solver_;
    std::vector<double> starts_; // (S, L) scaled; solutions once solved
    std::vector<double> best_, hessian_, factor_, column_, scale_, candidate_chi2_;
    double least_ = 0.0; // chi2 at best_
    std::vector<std::size_t> free_;
};

void Fitter::fit(std::size_t i, const StopFlag& stop) {
    const std::size_t n_pixels = emulator_.n_pixels();
    const std::size_t usable =
        problem_.set(input_.flux + i * n_pixels, input_.ivar + i * n_pixels, input_.scatter, stop);
    std::fill_n(output_.labels + i * n_, n_, not_known);
    std::fill_n(output_.covariance + i * n_ * n_, n_ * n_, not_known);
    std::fill_n(output_.at_bound + i * n_, n_, false);
    output_.chi2[i] = output_.chi2_noise[i] = not_known;
    output_.n_pixels[i] = static_cast<std::int32_t>(usable);
    output_.n_evaluations[i] = output_.n_agree[i] = 0;
    Status status = Status::TOO_FEW_PIXELS;
    if (usable >= n_ + 1) {
        status = search(i, stop);
        if (status != Status::NON_FINITE) {
            store_solution(i);
            if (!store_covariance(i))
                status = Status::SINGULAR;
        }
    }
    output_.status[i] = static_cast<std::int32_t>(status);
}

// Sets best_, hessian_, least_ and, from the starts, where each ended.
Status Fitter::search(std::size_t i, const StopFlag& stop) {
    SolveOptions options = options_;
    Problem* problem = &problem_;
    if (compressed_) {
        compressed_->set(problem_.flux(), problem_.weight(), stop);
        problem = compressed_.get();
        options.max_evaluations -= 1; // left for the finish
        options.gradient_tol *= 0.5;  // so that rounding does not cost the finish a step
    }
    choose_starts(i);
    Status status = Status::NON_FINITE;
    least_ = std::numeric_limits<double>::infinity();
    int n_evaluations = 0;
    for (std::size_t s = 0; s < starts_.size(); s += n_) {
        const SolveResult result =
            solver_.solve(*problem, plan_.lower.data(), plan_.upper.data(), &starts_[s], options);
        output_.n_evaluations[i] += result.n_evaluations;
        if (result.status == Status::NON_FINITE)
            std::fill_n(&starts_[s], n_, not_known);
        else if (result.chi2 < least_) {
            least_ = result.chi2;
            status = result.status;
            n_evaluations = result.n_evaluations;
            std::copy_n(&starts_[s], n_, best_.begin());
            std::copy_n(solver_.hessian(), n_ * n_, hessian_.begin());
        }
    }
    if (!compressed_ || status == Status::NON_FINITE)
        return status;
    // The finish: what is reported comes from the pixels, judged by the stop rules there.
    options = options_;
    options.max_evaluations -= n_evaluations;
    const SolveResult result =
        solver_.solve(problem_, plan_.lower.data(), plan_.upper.data(), best_.data(), options);
    output_.n_evaluations[i] += result.n_evaluations;
    least_ = result.chi2;
    std::copy_n(solver_.hessian(), n_ * n_, hessian_.begin());
    return result.status;
}

void Fitter::choose_starts(std::size_t i) {
    starts_.clear();
    for (std::size_t s = 0; s < (input_.starts ? input_.n_given : 0); ++s) {
        emulator_.to_scaled(input_.starts + (i * input_.n_given + s) * n_, column_.data());
        if (std::all_of(column_.begin(), column_.end(), [](double x) { return std::isfinite(x); }))
            starts_.insert(starts_.end(), column_.begin(), column_.end());
    }
    if (starts_.empty())
        add_best_candidates();
    if (starts_.empty())
        for (std::size_t l = 0; l < n_; ++l)
            starts_.push_back(0.5 * (plan_.lower[l] + plan_.upper[l]));
}

void Fitter::add_best_candidates() {
    for (std::size_t m = 0; m < candidate_chi2_.size(); ++m) {
        const double* model = plan_.model(emulator_, m);
        candidate_chi2_[m] = compressed_ ? compressed_->chi2_of(model) : problem_.chi2_of(model);
    }
    while (starts_.size() < n_ * input_.n_starts) {
        std::size_t best = 0;
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t m = 0; m < candidate_chi2_.size(); ++m)
            if (candidate_chi2_[m] < least) {
                least = candidate_chi2_[m];
                best = m;
            }
        if (!std::isfinite(least))
            return;
        const double* chosen = &plan_.candidates[best * n_];
        starts_.insert(starts_.end(), chosen, chosen + n_);
        for (std::size_t m = 0; m < candidate_chi2_.size(); ++m) {
            double apart = 0.0;
            for (std::size_t l = 0; l < n_; ++l)
                apart = std::max(apart, std::abs(plan_.candidates[m * n_ + l] - chosen[l]));
            if (apart <= distinct)
                candidate_chi2_[m] = std::numeric_limits<double>::infinity();
        }
    }
}

void Fitter::store_solution(std::size_t i) {
    double* labels = output_.labels + i * n_;
    emulator_.to_labels(best_.data(), labels);
    for (std::size_t l = 0; l < n_; ++l) {
        const bool at_lower = best_[l] <= plan_.lower[l], at_upper = best_[l] >= plan_.upper[l];
        output_.at_bound[i * n_ + l] = at_lower || at_upper;
        if (at_lower || at_upper) // exactly: scaling and back rounds
            labels[l] = at_lower ? input_.lower[l] : input_.upper[l];
    }
    problem_.chi2(best_.data());
    output_.chi2[i] = least_;
    output_.chi2_noise[i] = problem_.chi2_noise();
    for (std::size_t s = 0; s < starts_.size(); s += n_)
        output_.n_agree[i] += distance_squared(&starts_[s]) <= agreement * agreement;
}

// (x - best)' H (x - best), in squared formal errors.
double Fitter::distance_squared(const double* x) const {
    double sum = 0.0;
    for (std::size_t k = 0; k < n_; ++k)
        for (std::size_t l = 0; l < n_; ++l)
            sum += (x[k] - best_[k]) * hessian_[k * n_ + l] * (x[l] - best_[l]);
    return sum;
}

// covariance = (d label / d x) H^-1 (d label / d x)', over the labels that are not fixed.
bool Fitter::store_covariance(std::size_t i) {
    free_.clear();
    for (std::size_t l = 0; l < n_; ++l)
        if (plan_.lower[l] < plan_.upper[l])
            free_.push_back(l);
    const std::size_t m = free_.size();
    for (std::size_t a = 0; a < m; ++a)
        for (std::size_t b = 0; b < m; ++b)
            factor_[a * m + b] = hessian_[free_[a] * n_ + free_[b]];
    if (!cholesky_factor(factor_.data(), m, smallest_pivot))
        return false;
    emulator_.scale(output_.labels + i * n_, scale_.data());
    double* covariance = output_.covariance + i * n_ * n_;
    std::fill_n(covariance, n_ * n_, 0.0);
    for (std::size_t b = 0; b < m; ++b) {
        std::fill(column_.begin(), column_.end(), 0.0);
        column_[b] = 1.0;
        cholesky_solve(factor_.data(), m, column_.data());
        for (std::size_t a = 0; a <= b; ++a) {
            const std::size_t k = free_[a], l = free_[b];
            covariance[k * n_ + l] = covariance[l * n_ + k] = column_[a] / (scale_[k] * scale_[l]);
        }
    }
    return true;
}

} // namespace

void fit_batch(const Emulator& emulator, const FitInput& input, const FitOutput& output,
               const SolveOptions& options, int threads, const std::function<void(std::size_t)>& wake) {
    const FitPlan plan = make_plan(emulator, input, options, threads, wake);
    if (input.n_spectra == 0)
        return;
    std::vector<std::unique_ptr<Fitter>> fitters;
    for (std::size_t worker = 0; worker < worker_count(input.n_spectra, threads); ++worker)
        fitters.push_back(std::make_unique<Fitter>(emulator, input, output, options, plan));
    parallel_for(
        input.n_spectra, threads,
        [&](std::size_t worker, std::size_t i, const StopFlag& stop) { fitters[worker]->fit(i, stop); },
        wake);
}

} // namespace maury

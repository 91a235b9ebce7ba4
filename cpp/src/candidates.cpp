#include "candidates.hpp"

#include "maury/parallel.hpp"
#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

namespace maury {
namespace {

using simd::panel;

// By measurement, over trained networks: more directions or panels find no other start.
constexpr std::size_t most_directions = 10, n_spare = 4, n_rounds = 12;

// Splits [first, last) of order in two halves along the label of widest spread, until a part fits one panel.
void split(const std::vector<double>& x, std::size_t n_labels, std::size_t* first, std::size_t* last) {
    const auto n = static_cast<std::size_t>(last - first);
    if (n <= panel)
        return;
    std::size_t widest = 0;
    double spread = -1.0;
    for (std::size_t l = 0; l < n_labels; ++l) {
        const auto by_label = [&](std::size_t a, std::size_t b) {
            return x[a * n_labels + l] < x[b * n_labels + l];
        };
        const auto [low, high] = std::minmax_element(first, last, by_label);
        const double here = x[*high * n_labels + l] - x[*low * n_labels + l];
        if (here > spread) {
            spread = here;
            widest = l;
        }
    }
    std::size_t* middle = first + (n / panel + 1) / 2 * panel; // whole panels on the left
    std::nth_element(first, middle, last, [&](std::size_t a, std::size_t b) {
        return x[a * n_labels + widest] < x[b * n_labels + widest];
    });
    split(x, n_labels, first, middle);
    split(x, n_labels, middle, last);
}

} // namespace

Candidates::Candidates(const Emulator& emulator, const std::vector<double>& x, int threads,
                       const std::function<void(std::size_t)>& wake)
    : n_labels_(emulator.n_labels()), n_(emulator.basis().n_coefficients), n_directions_(0), x_(x),
      coefficients_(size() * n_), tangents_(size() * n_labels_ * n_) {
    sort_into_panels();
    const std::size_t n_panels = (size() + panel - 1) / panel;
    std::vector<std::unique_ptr<TrunkColumns>> work;
    for (std::size_t worker = 0; worker < worker_count(n_panels, threads); ++worker)
        work.push_back(std::make_unique<TrunkColumns>(emulator.search_trunk(), panel));
    parallel_for(
        n_panels, threads,
        [&](std::size_t worker, std::size_t i, const StopFlag&) {
            const std::size_t first = i * panel, count = std::min(panel, size() - first);
            work[worker]->coefficients(&x_[first * n_labels_], count, &coefficients_[first * n_]);
            for (std::size_t m = 0; m < count; ++m)
                work[worker]->tangents(m, &tangents_[(first + m) * n_labels_ * n_]);
        },
        wake);
    find_directions(emulator);
}

void Candidates::sort_into_panels() {
    std::vector<std::size_t> order(size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    split(x_, n_labels_, order.data(), order.data() + order.size());
    std::vector<double> sorted;
    for (const std::size_t m : order)
        sorted.insert(sorted.end(), x(m), x(m) + n_labels_);
    x_.swap(sorted);
}

// The R directions E (R, K) in which the candidates differ most in flux, by subspace iteration: with
// C = sum_m d_m d_m' and A = B'B, E <- orthonormal(C A E) in the product e'A e. Then y_m = E A d_m.
void Candidates::find_directions(const Emulator& emulator) {
    const Basis& basis = emulator.basis();
    const std::size_t count = size(), n_panels = (count + panel - 1) / panel;
    const std::size_t n_pixels = basis.mean.size(), wanted = std::min({most_directions, n_, count});
    Aligned<double> product(basis.stride * basis.stride), unused(basis.stride);
    const Aligned<float> ones(n_pixels, 1.0f), nothing(n_pixels);
    Aligned<float> scratch(simd::gram_scratch(n_));
    simd::kernels().gram(basis.rows, n_pixels, n_, ones.data(), nothing.data(), product.data(), unused.data(),
                         scratch.data());
    const auto dot = simd::kernels().dot;
    std::vector<double> d(count * n_), e(wanted * n_), a_e(wanted * n_);
    for (std::size_t m = 0; m < count; ++m)
        for (std::size_t k = 0; k < n_; ++k)
            d[m * n_ + k] = static_cast<double>(coefficients_[m * n_ + k]) - basis.middle[k];
    for (std::size_t r = 0; r < wanted; ++r)
        std::copy_n(&d[r * count / wanted * n_], n_, &e[r * n_]);
    const auto orthonormalise = [&] { // sets a_e = A e too; what depends on the others is left out
        std::size_t kept = 0;
        for (std::size_t r = 0; r < wanted; ++r) {
            double* here = &e[kept * n_];
            std::copy_n(&e[r * n_], n_, here);
            double before = 0.0;
            for (int pass = 0; pass < 2; ++pass) { // twice is enough
                for (std::size_t s = 0; s < kept; ++s) {
                    const double along = dot(here, &a_e[s * n_], n_);
                    for (std::size_t k = 0; k < n_; ++k)
                        here[k] -= along * e[s * n_ + k];
                }
                for (std::size_t k = 0; k < n_; ++k)
                    a_e[kept * n_ + k] = dot(&product[k * basis.stride], here, n_);
                const double norm = std::sqrt(dot(here, &a_e[kept * n_], n_));
                if (pass == 0)
                    before = norm;
                for (std::size_t k = 0; k < n_ && norm > 0.0; ++k) {
                    here[k] /= norm;
                    a_e[kept * n_ + k] /= norm;
                }
            }
            kept += before > 1e-12;
        }
        n_directions_ = kept;
    };
    orthonormalise();
    for (std::size_t round = 0; round < n_rounds; ++round) {
        std::vector<double> next(n_directions_ * n_);
        for (std::size_t m = 0; m < count; ++m)
            for (std::size_t r = 0; r < n_directions_; ++r) {
                const double along = dot(&d[m * n_], &a_e[r * n_], n_);
                for (std::size_t k = 0; k < n_; ++k)
                    next[r * n_ + k] += along * d[m * n_ + k];
            }
        std::copy(next.begin(), next.end(), e.begin());
        orthonormalise();
    }
    directions_.assign(e.begin(), e.begin() + static_cast<std::ptrdiff_t>(n_directions_ * n_));
    places_.resize(n_panels * n_directions_ * panel);
    for (std::size_t i = 0; i < n_panels; ++i)
        for (std::size_t r = 0; r < n_directions_; ++r)
            for (std::size_t lane = 0; lane < panel; ++lane) {
                const std::size_t m = i * panel + lane < count ? i * panel + lane : i * panel;
                places_[(i * n_directions_ + r) * panel + lane] =
                    static_cast<float>(dot(&d[m * n_], &a_e[r * n_], n_));
            }
}

Candidates::Workspace::Workspace(const Candidates& c, std::size_t n)
    : product(c.n_directions_ * c.n_), matrix(c.n_directions_ * c.n_directions_), vector(c.n_directions_),
      rough((c.size() + panel - 1) / panel), which(rough.size()), coefficients(c.n_), most_chosen(n) {
    const std::size_t most = std::min(c.size(), (n + n_spare) * panel);
    order.reserve(std::max(most, rough.size()));
    for (auto* list : {&chi2, &left})
        list->reserve(most);
    chosen.reserve(most);
    slope.reserve(most * c.n_);
}

void Candidates::best(const Quadratic& spectrum, LabelPrior& prior, std::size_t n, double distinct,
                      Workspace& work) const {
    const auto& kernels = simd::kernels();
    // The chi2 of a place: y'(E G E') y - 2 (E c).y + s.
    spectrum.times_gram(directions_.data(), n_directions_, work.product.data());
    for (std::size_t r = 0; r < n_directions_; ++r) {
        const float* direction = &directions_[r * n_];
        work.vector[r] = static_cast<float>(kernels.dot_mixed(direction, spectrum.linear(), n_));
        for (std::size_t q = 0; q <= r; ++q)
            work.matrix[r * n_directions_ + q] = work.matrix[q * n_directions_ + r] =
                kernels.dot_single(direction, &work.product[q * n_], n_);
    }
    const std::size_t n_panels = work.rough.size(), compared = std::min(n + n_spare, size());
    kernels.least_of_panels(places_.data(), n_panels, n_directions_, work.matrix.data(), work.vector.data(),
                            work.rough.data(), work.which.data());
    for (std::size_t i = 0; prior.given() && i < n_panels; ++i)
        work.rough[i] += static_cast<float>(prior.rough_chi2(x(i * panel + work.which[i])));
    if (n_panels <= compared) { // few: all of them
        work.order.resize(size());
        std::iota(work.order.begin(), work.order.end(), std::size_t{0});
    } else { // the best of the best panels
        work.order.resize(n_panels);
        std::iota(work.order.begin(), work.order.end(), std::size_t{0});
        const auto first = work.order.begin(), last = first + static_cast<std::ptrdiff_t>(compared);
        std::partial_sort(first, last, work.order.end(), [&](std::size_t a, std::size_t b) {
            return work.rough[a] < work.rough[b] || (work.rough[a] == work.rough[b] && a < b);
        });
        work.order.resize(compared);
        for (std::size_t& m : work.order)
            m = m * panel + work.which[m];
    }
    work.chi2.resize(work.order.size());
    work.slope.resize(work.order.size() * n_);
    for (std::size_t c = 0; c < work.order.size(); ++c) {
        std::copy_n(coefficients(work.order[c]), n_, work.coefficients.begin());
        work.chi2[c] =
            spectrum.chi2(work.coefficients.data(), &work.slope[c * n_]) + prior.rough_chi2(x(work.order[c]));
    }
    work.left = work.chi2;
    work.chosen.clear();
    while (work.chosen.size() < n) {
        const auto least = std::min_element(work.left.begin(), work.left.end());
        if (!std::isfinite(*least))
            return;
        *least = std::numeric_limits<double>::infinity();
        const auto c = static_cast<std::size_t>(least - work.left.begin());
        if (std::all_of(work.chosen.begin(), work.chosen.end(), [&](std::size_t other) {
                return apart(x(work.order[c]), x(work.order[other]), distinct);
            }))
            work.chosen.push_back(c);
    }
}

bool Candidates::apart(const double* a, const double* b, double distance) const {
    for (std::size_t l = 0; l < n_labels_; ++l)
        if (std::abs(a[l] - b[l]) > distance)
            return true;
    return false;
}

} // namespace maury

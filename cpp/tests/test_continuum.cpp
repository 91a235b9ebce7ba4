// Local straight lines against fits one by one, and their derivatives against differences.
#include "check.hpp"
#include "continuum.hpp"
#include "level.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace {

using Vector = std::vector<double>;

struct Case {
    Vector place, data, weight, model;
    std::vector<std::size_t> runs;

    explicit Case(unsigned seed) {
        std::mt19937_64 random(seed);
        std::uniform_real_distribution<double> uniform(0.2, 1.2);
        for (std::size_t r = 0; r < 3; ++r) {
            runs.push_back(place.size());
            double u = 100.0 * static_cast<double>(r);
            const std::size_t n = r == 1 ? 1 : 90 + 13 * r; // one pixel is a run too
            for (std::size_t p = 0; p < n; ++p) {
                u += uniform(random);
                place.push_back(u);
                model.push_back(uniform(random));
                data.push_back(3e-17 * (1.0 + 0.01 * u) * model.back() * uniform(random));
                weight.push_back(uniform(random) < 0.4 ? 0.0 : 1e34 * uniform(random));
            }
        }
        runs.push_back(place.size());
        std::fill_n(weight.begin() + 20, 30, 0.0); // a gap wider than the window
    }
    std::size_t run_of(std::size_t p) const {
        return static_cast<std::size_t>(std::upper_bound(runs.begin(), runs.end(), p) - runs.begin());
    }
    // Weighted normal equations of one window; NaN without pixels.
    double line_at(std::size_t p, double half) const {
        double a0 = 0.0, a1 = 0.0, b0 = 0.0, b1 = 0.0, b2 = 0.0;
        int used = 0;
        for (std::size_t q = 0; q < place.size(); ++q) {
            const double t = (place[q] - place[p]) / half, b = weight[q] * model[q] * model[q];
            if (run_of(q) != run_of(p) || std::abs(place[q] - place[p]) > half + 1e-3 || b == 0.0)
                continue;
            ++used;
            a0 += weight[q] * data[q] * model[q];
            a1 += weight[q] * data[q] * model[q] * t;
            b0 += b;
            b1 += b * t;
            b2 += b * t * t;
        }
        const double det = b0 * b2 - b1 * b1;
        return used < 3 || !(det > 1e-4 * b0 * b0) ? a0 / b0 : (b2 * a0 - b1 * a1) / det;
    }
};

void against_fits_one_by_one() {
    for (unsigned seed = 1; seed < 6; ++seed)
        for (const double half : {6.0, 25.0, 1000.0}) {
            const Case it(seed);
            maury::LocalLine lines;
            lines.set(it.place.data(), it.runs, it.place.size(), half);
            lines.fit(it.data.data(), it.weight.data(), it.model.data());
            for (std::size_t p = 0; p < it.place.size(); ++p) {
                const double wanted = it.line_at(p, half);
                CHECK(lines.known(p) == std::isfinite(wanted));
                if (lines.known(p))
                    CHECK_NEAR(lines.continuum()[p], wanted, 1e-9 * std::abs(wanted) + 1e-29);
            }
        }
}

// d (c f) for df in eight directions.
void derivatives() {
    for (const double half : {6.0, 25.0}) {
        const Case it(9);
        const std::size_t n = it.place.size();
        std::mt19937_64 random(3);
        std::normal_distribution<double> normal;
        Vector columns(8 * n), out(8 * n);
        std::generate(columns.begin(), columns.end(), [&] { return normal(random); });
        maury::LocalLine lines, moved;
        lines.set(it.place.data(), it.runs, n, half);
        moved.set(it.place.data(), it.runs, n, half);
        lines.fit(it.data.data(), it.weight.data(), it.model.data());
        lines.derivatives(columns.data(), out.data());
        for (std::size_t c = 0; c < 8; ++c) {
            constexpr double h = 1e-7;
            Vector fitted[2];
            for (const int side : {0, 1}) {
                Vector model = it.model;
                for (std::size_t p = 0; p < n; ++p)
                    model[p] += (side ? h : -h) * columns[8 * p + c];
                moved.fit(it.data.data(), it.weight.data(), model.data());
                for (std::size_t p = 0; p < n; ++p)
                    fitted[side].push_back(moved.continuum()[p] * model[p]);
            }
            for (std::size_t p = 0; p < n; ++p)
                if (lines.known(p))
                    CHECK_NEAR(out[8 * p + c] * 1e17, (fitted[1][p] - fitted[0][p]) / (2.0 * h) * 1e17, 1e-4);
        }
    }
}

} // namespace

int main() {
    if (level_is_missing())
        return skipped;
    against_fits_one_by_one();
    derivatives();
    return check::report();
}

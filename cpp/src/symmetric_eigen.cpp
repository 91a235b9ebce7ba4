#include "symmetric_eigen.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace maury {
namespace {

// a -> Q'aQ with `diagonal` and `beside` (beside[i] between i and i + 1); rows of q: Q'.
void tridiagonalise(std::vector<double>& a, std::size_t n, std::vector<double>& diagonal,
                    std::vector<double>& beside, std::vector<double>& q) {
    q.assign(n * n, 0.0);
    for (std::size_t i = 0; i < n; ++i)
        q[i * n + i] = 1.0;
    std::vector<double> v(n), w(n);
    for (std::size_t k = 0; k + 2 < n; ++k) { // H = 1 - v v' makes zeros in row k beyond k + 1
        double square = 0.0;
        for (std::size_t i = k + 1; i < n; ++i)
            square += a[k * n + i] * a[k * n + i];
        const double length = std::copysign(std::sqrt(square), a[k * n + k + 1]);
        if (square - a[k * n + k + 1] * a[k * n + k + 1] <= 0.0)
            continue;
        for (std::size_t i = k + 1; i < n; ++i)
            v[i] = a[k * n + i];
        v[k + 1] += length;
        const double unit = 1.0 / std::sqrt(length * v[k + 1]); // of v'v = 2
        for (std::size_t i = k + 1; i < n; ++i)
            v[i] *= unit;
        double half = 0.0; // a -> a - v w' - w v', w = a v - (v'a v / 2) v
        for (std::size_t i = k + 1; i < n; ++i) {
            w[i] = std::inner_product(v.begin() + static_cast<std::ptrdiff_t>(k + 1), v.end(),
                                      a.begin() + static_cast<std::ptrdiff_t>(i * n + k + 1), 0.0);
            half += 0.5 * w[i] * v[i];
        }
        for (std::size_t i = k + 1; i < n; ++i)
            w[i] -= half * v[i];
        for (std::size_t i = k + 1; i < n; ++i)
            for (std::size_t j = k + 1; j < n; ++j)
                a[i * n + j] -= v[i] * w[j] + w[i] * v[j];
        a[k * n + k + 1] = -length;
        std::fill(w.begin(), w.end(), 0.0); // Q' -> H Q'
        for (std::size_t i = k + 1; i < n; ++i)
            for (std::size_t j = 0; j < n; ++j)
                w[j] += v[i] * q[i * n + j];
        for (std::size_t i = k + 1; i < n; ++i)
            for (std::size_t j = 0; j < n; ++j)
                q[i * n + j] -= v[i] * w[j];
    }
    diagonal.resize(n);
    beside.assign(n, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
        diagonal[i] = a[i * n + i];
        if (i + 1 < n)
            beside[i] = a[i * n + i + 1];
    }
}

// One QL step on rows first..last, which rotates the rows of q alike.
void ql_step(std::vector<double>& d, std::vector<double>& e, std::vector<double>& q, std::size_t n,
             std::size_t first, std::size_t last) {
    double g = (d[first + 1] - d[first]) / (2.0 * e[first]);
    g = d[last] - d[first] + e[first] / (g + std::copysign(std::hypot(g, 1.0), g)); // Wilkinson's shift
    double s = 1.0, c = 1.0, p = 0.0;
    for (std::size_t i = last; i-- > first;) {
        const double f = s * e[i], b = c * e[i], r = std::hypot(f, g);
        e[i + 1] = r;
        if (r == 0.0) { // the matrix falls apart here
            d[i + 1] -= p;
            e[last] = 0.0;
            return;
        }
        s = f / r;
        c = g / r;
        const double step = (d[i] - (d[i + 1] - p)) * s + 2.0 * c * b;
        const double before = d[i + 1] - p;
        p = s * step;
        d[i + 1] = before + p;
        g = c * step - b;
        double *low = &q[i * n], *high = &q[(i + 1) * n];
        for (std::size_t k = 0; k < n; ++k) {
            const double x = high[k];
            high[k] = s * low[k] + c * x;
            low[k] = c * low[k] - s * x;
        }
    }
    d[first] -= p;
    e[first] = g;
    e[last] = 0.0;
}

} // namespace

Eigen symmetric_eigen(std::vector<double> a, std::size_t n) {
    std::vector<double> d, e, q;
    tridiagonalise(a, n, d, e, q);
    constexpr int most_steps = 60; // of one value; three are usual
    for (std::size_t first = 0; first < n; ++first)
        for (int step = 0; step < most_steps; ++step) {
            std::size_t last = first;
            while (last + 1 < n && std::abs(e[last]) > std::numeric_limits<double>::epsilon() *
                                                           (std::abs(d[last]) + std::abs(d[last + 1])))
                ++last;
            if (last == first)
                break;
            ql_step(d, e, q, n, first, last);
        }
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return d[i] < d[j]; });
    Eigen found;
    for (const std::size_t i : order) {
        found.values.push_back(d[i]);
        found.vectors.insert(found.vectors.end(), q.begin() + static_cast<std::ptrdiff_t>(i * n),
                             q.begin() + static_cast<std::ptrdiff_t>((i + 1) * n));
    }
    return found;
}

} // namespace maury

// The residuals of the 35 test problems of More, Garbow & Hillstrom (1981, ACM TOMS 7, 17), in the order and
// the letters of that paper; i and j count from 1 as there.
#pragma once

#include "problems.hpp"

#include <cmath>

namespace more {

using X = const Dual*;
using F = std::vector<Dual>;
using Residuals = ResidualProblem::Residuals;

constexpr double pi = 3.141592653589793238;

inline Dual cube(const Dual& a) { return a * a * a; }

// sum of weight(j) x_j, j from 1
template <class Weight> Dual weighted(X x, int n, Weight weight) {
    Dual sum;
    for (int j = 1; j <= n; ++j) {
        const double w = weight(j);
        sum = combine(sum, 1.0, x[j - 1], w, sum.value + w * x[j - 1].value);
    }
    return sum;
}

template <class Residual> F each(int m, Residual residual) { // i from 1
    F f;
    f.reserve(static_cast<std::size_t>(m));
    for (int i = 1; i <= m; ++i)
        f.push_back(residual(i));
    return f;
}
inline Dual& at(F& f, int i) { return f[static_cast<std::size_t>(i)]; } // i from 0

inline F squares(X x, int n) {
    return each(n, [&](int i) { return square(x[i - 1]); });
}

inline F rosenbrock(X x) { return {10.0 * (x[1] - square(x[0])), 1.0 - x[0]}; }
inline F freudenstein_roth(X x) {
    return {-13.0 + x[0] + ((5.0 - x[1]) * x[1] - 2.0) * x[1],
            -29.0 + x[0] + ((x[1] + 1.0) * x[1] - 14.0) * x[1]};
}
inline F powell_badly_scaled(X x) { return {1e4 * x[0] * x[1] - 1.0, exp(-x[0]) + exp(-x[1]) - 1.0001}; }
inline F brown_badly_scaled(X x) { return {x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2.0}; }
inline F beale(X x) {
    return {1.5 - x[0] * (1.0 - x[1]), 2.25 - x[0] * (1.0 - square(x[1])), 2.625 - x[0] * (1.0 - cube(x[1]))};
}
inline F jennrich_sampson(X x) {
    return each(10, [&](int i) { return 2.0 + 2.0 * i - (exp(i * x[0]) + exp(i * x[1])); });
}
inline F helical_valley(X x) {
    const Dual theta = atan(x[1] / x[0]) / (2.0 * pi) + (x[0].value < 0.0 ? 0.5 : 0.0);
    return {10.0 * (x[2] - 10.0 * theta), 10.0 * (sqrt(square(x[0]) + square(x[1])) - 1.0), x[2]};
}
inline F bard(X x) {
    constexpr double y[] = {0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39,
                            0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39};
    return each(15, [&](int i) {
        const double u = i, v = 16 - i, w = std::min(u, v);
        return y[i - 1] - (x[0] + u / (v * x[1] + w * x[2]));
    });
}
inline F gaussian(X x) {
    constexpr double y[] = {0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989};
    return each(15, [&](int i) {
        return x[0] * exp(-x[1] * square((8.0 - i) / 2.0 - x[2]) / 2.0) - y[std::min(i, 16 - i) - 1];
    });
}
inline F meyer(X x) {
    constexpr double y[] = {34780.0, 28610.0, 23650.0, 19630.0, 16370.0, 13720.0, 11540.0, 9744.0,
                            8261.0,  7030.0,  6005.0,  5147.0,  4427.0,  3820.0,  3307.0,  2872.0};
    return each(16, [&](int i) { return x[0] * exp(x[1] / (45.0 + 5.0 * i + x[2])) - y[i - 1]; });
}
inline F gulf(X x) { // its factor m i in the paper is a misprint; m = 100 would add a |y - x_2| of 0
    return each(99, [&](int i) {
        const double t = i / 100.0, y = 25.0 + std::pow(-50.0 * std::log(t), 2.0 / 3.0);
        return exp(-power(abs(y - x[1]), x[2]) / x[0]) - t;
    });
}
inline F box(X x) {
    return each(10, [&](int i) {
        const double t = 0.1 * i;
        return exp(-t * x[0]) - exp(-t * x[1]) - x[2] * (std::exp(-t) - std::exp(-10.0 * t));
    });
}
inline F powell_singular(X x) {
    return {x[0] + 10.0 * x[1], std::sqrt(5.0) * (x[2] - x[3]), square(x[1] - 2.0 * x[2]),
            std::sqrt(10.0) * square(x[0] - x[3])};
}
inline F wood(X x) {
    return {10.0 * (x[1] - square(x[0])),
            1.0 - x[0],
            std::sqrt(90.0) * (x[3] - square(x[2])),
            1.0 - x[2],
            std::sqrt(10.0) * (x[1] + x[3] - 2.0),
            (x[1] - x[3]) / std::sqrt(10.0)};
}
inline F kowalik_osborne(X x) {
    constexpr double y[] = {0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627,
                            0.0456, 0.0342, 0.0323, 0.0235, 0.0246};
    constexpr double u[] = {4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625};
    return each(11, [&](int i) {
        const double t = u[i - 1];
        return y[i - 1] - x[0] * (t * (t + x[1])) / (t * (t + x[2]) + x[3]);
    });
}
inline F brown_dennis(X x) {
    return each(20, [&](int i) {
        const double t = i / 5.0;
        return square(x[0] + t * x[1] - std::exp(t)) + square(x[2] + x[3] * std::sin(t) - std::cos(t));
    });
}
inline F osborne_1(X x) {
    constexpr double y[] = {0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751,
                            0.718, 0.685, 0.658, 0.628, 0.603, 0.580, 0.558, 0.538, 0.522, 0.506, 0.490,
                            0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411, 0.406};
    return each(33, [&](int i) {
        const double t = 10.0 * (i - 1);
        return y[i - 1] - (x[0] + x[1] * exp(-t * x[3]) + x[2] * exp(-t * x[4]));
    });
}
inline F biggs_exp6(X x) {
    return each(13, [&](int i) {
        const double t = 0.1 * i, y = std::exp(-t) - 5.0 * std::exp(-10.0 * t) + 3.0 * std::exp(-4.0 * t);
        return x[2] * exp(-t * x[0]) - x[3] * exp(-t * x[1]) + x[5] * exp(-t * x[4]) - y;
    });
}
inline F osborne_2(X x) {
    constexpr double y[] = {1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746,
                            0.679, 0.608, 0.655, 0.616, 0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649,
                            0.694, 0.644, 0.624, 0.661, 0.612, 0.558, 0.533, 0.495, 0.500, 0.423, 0.395,
                            0.375, 0.372, 0.391, 0.396, 0.405, 0.428, 0.429, 0.523, 0.562, 0.607, 0.653,
                            0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559, 0.597, 0.625, 0.739,
                            0.710, 0.729, 0.720, 0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054};
    return each(65, [&](int i) {
        const double t = (i - 1) / 10.0;
        return y[i - 1] - (x[0] * exp(-t * x[4]) + x[1] * exp(-square(t - x[8]) * x[5]) +
                           x[2] * exp(-square(t - x[9]) * x[6]) + x[3] * exp(-square(t - x[10]) * x[7]));
    });
}

// From here on, of any number of parameters.
inline Residuals watson(int n) {
    return [n](X x) {
        F f = each(29, [&](int i) {
            const double t = i / 29.0;
            const Dual slope =
                weighted(x, n, [&](int j) { return j < 2 ? 0.0 : (j - 1) * std::pow(t, j - 2); });
            return slope - square(weighted(x, n, [&](int j) { return std::pow(t, j - 1); })) - 1.0;
        });
        f.push_back(x[0]);
        f.push_back(x[1] - square(x[0]) - 1.0);
        return f;
    };
}
inline Residuals extended_rosenbrock(int n) {
    return [n](X x) {
        return each(n, [&](int i) {
            F f = rosenbrock(x + (i - 1) / 2 * 2);
            return at(f, (i - 1) % 2);
        });
    };
}
inline Residuals extended_powell_singular(int n) {
    return [n](X x) {
        return each(n, [&](int i) {
            F f = powell_singular(x + (i - 1) / 4 * 4);
            return at(f, (i - 1) % 4);
        });
    };
}
inline Residuals penalty_1(int n) {
    return [n](X x) {
        F f = each(n, [&](int i) { return std::sqrt(1e-5) * (x[i - 1] - 1.0); });
        f.push_back(weighted(squares(x, n).data(), n, [](int) { return 1.0; }) - 0.25);
        return f;
    };
}
inline Residuals penalty_2(int n) {
    return [n](X x) {
        F f = {x[0] - 0.2};
        for (int i = 2; i <= n; ++i) {
            const double y = std::exp(i / 10.0) + std::exp((i - 1) / 10.0);
            f.push_back(std::sqrt(1e-5) * (exp(x[i - 1] / 10.0) + exp(x[i - 2] / 10.0) - y));
        }
        for (int i = 2; i <= n; ++i)
            f.push_back(std::sqrt(1e-5) * (exp(x[i - 1] / 10.0) - std::exp(-0.1)));
        f.push_back(weighted(squares(x, n).data(), n, [&](int j) { return n - j + 1; }) - 1.0);
        return f;
    };
}
inline Residuals variably_dimensioned(int n) {
    return [n](X x) {
        F f = each(n, [&](int i) { return x[i - 1] - 1.0; });
        f.push_back(weighted(x, n, [](int j) { return j; }) - n * (n + 1) / 2.0);
        f.push_back(square(f.back()));
        return f;
    };
}
inline Residuals trigonometric(int n) {
    return [n](X x) {
        Dual cosines;
        for (int j = 0; j < n; ++j)
            cosines = cosines + cos(x[j]);
        return each(n, [&](int i) {
            return static_cast<double>(n) - cosines + i * (1.0 - cos(x[i - 1])) - sin(x[i - 1]);
        });
    };
}
inline Residuals brown_almost_linear(int n) {
    return [n](X x) {
        const Dual sum = weighted(x, n, [](int) { return 1.0; });
        F f = each(n - 1, [&](int i) { return x[i - 1] + sum - (n + 1.0); });
        Dual product = 1.0;
        for (int j = 0; j < n; ++j)
            product = product * x[j];
        f.push_back(product - 1.0);
        return f;
    };
}
inline Residuals discrete_boundary_value(int n) {
    return [n](X x) {
        const double h = 1.0 / (n + 1);
        return each(n, [&](int i) {
            const Dual before = i > 1 ? x[i - 2] : Dual(), after = i < n ? x[i] : Dual();
            return 2.0 * x[i - 1] - before - after + h * h * cube(x[i - 1] + i * h + 1.0) / 2.0;
        });
    };
}
inline Residuals discrete_integral_equation(int n) {
    return [n](X x) {
        const double h = 1.0 / (n + 1);
        return each(n, [&](int i) {
            Dual sum;
            for (int j = 1; j <= n; ++j) {
                const double kernel = j <= i ? (1.0 - i * h) * j * h : i * h * (1.0 - j * h);
                sum = sum + kernel * cube(x[j - 1] + j * h + 1.0);
            }
            return x[i - 1] + h * sum / 2.0;
        });
    };
}
inline Residuals broyden_tridiagonal(int n) {
    return [n](X x) {
        return each(n, [&](int i) {
            const Dual before = i > 1 ? x[i - 2] : Dual(), after = i < n ? x[i] : Dual();
            return (3.0 - 2.0 * x[i - 1]) * x[i - 1] - before - 2.0 * after + 1.0;
        });
    };
}
inline Residuals broyden_banded(int n) {
    return [n](X x) {
        return each(n, [&](int i) {
            Dual f = x[i - 1] * (2.0 + 5.0 * square(x[i - 1])) + 1.0;
            for (int j = std::max(1, i - 5); j <= std::min(n, i + 1); ++j)
                if (j != i)
                    f = f - x[j - 1] * (1.0 + x[j - 1]);
            return f;
        });
    };
}
inline Residuals linear_full_rank(int n, int m) {
    return [n, m](X x) {
        const Dual sum = weighted(x, n, [](int) { return 1.0; });
        return each(m, [&](int i) { return (i <= n ? x[i - 1] : Dual()) - 2.0 / m * sum - 1.0; });
    };
}
inline Residuals linear_rank_1(int n, int m) {
    return [n, m](X x) {
        const Dual sum = weighted(x, n, [](int j) { return j; });
        return each(m, [&](int i) { return i * sum - 1.0; });
    };
}
inline Residuals linear_rank_1_with_zeros(int n, int m) {
    return [n, m](X x) {
        const Dual sum = weighted(x, n, [n](int j) { return j > 1 && j < n ? j : 0; });
        return each(m, [&](int i) { return (i < m ? i - 1 : 0) * sum - 1.0; });
    };
}
inline Residuals chebyquad(int n) { // T_i: the Chebyshev polynomials, shifted to [0, 1]
    return [n](X x) {
        F f = each(n, [](int i) { return i % 2 ? 0.0 : 1.0 / (i * i - 1.0); }); // minus the integral of T_i
        for (int j = 0; j < n; ++j) {
            Dual before = 1.0, now = 2.0 * x[j] - 1.0;
            for (int i = 0; i < n; ++i) {
                at(f, i) = at(f, i) + now / n;
                const Dual next = 2.0 * (2.0 * x[j] - 1.0) * now - before;
                before = now;
                now = next;
            }
        }
        return f;
    };
}

} // namespace more

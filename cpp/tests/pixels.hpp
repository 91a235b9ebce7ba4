// Pixels of all kinds, and the slow twin of the instrument: a dense matrix, each weight from the closed form.
#pragma once

#include "check.hpp"
#include "maury/instrument.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

using Vector = std::vector<double>;

constexpr std::size_t n_grid = 90;

struct Pixels {
    Vector low, high, variance, resolution, narrowing;
    std::vector<std::int32_t> arm;
    std::size_t n_neighbours = 0;

    void add(double from, double to, double sigma, std::int32_t number = 0) {
        low.push_back(from);
        high.push_back(to);
        variance.push_back(sigma * sigma);
        arm.push_back(number);
    }
    std::size_t size() const { return low.size(); }
    maury::ObservedPixels view() const {
        maury::ObservedPixels pixels;
        pixels.n = size();
        pixels.low = low.data();
        pixels.high = high.data();
        pixels.variance = n_neighbours ? nullptr : variance.data();
        pixels.arm = arm.data();
        pixels.n_neighbours = n_neighbours;
        pixels.resolution = resolution.data();
        pixels.narrowing = narrowing.data();
        return pixels;
    }
};

template <typename Sigma> Pixels contiguous(double from, double width, std::size_t n, Sigma sigma) {
    Pixels pixels;
    for (std::size_t p = 0; p < n; ++p) {
        const double k = static_cast<double>(p);
        pixels.add(from + k * width, from + (k + 1.0) * width, sigma(k));
    }
    return pixels;
}

inline Pixels native(double sigma) {
    return contiguous(-0.5, 1.0, n_grid, [=](double) { return sigma; });
}

inline std::mt19937_64 generator(8);

inline Vector random_numbers(std::size_t n) {
    std::normal_distribution<double> normal;
    Vector numbers(n);
    std::generate(numbers.begin(), numbers.end(), [&] { return normal(generator); });
    return numbers;
}

inline Vector padded(Vector coefficients) {
    coefficients.resize(coefficients.size() + maury::Instrument::pad);
    return coefficients;
}

// S(x) = third difference of ((y^3 + 3 y s^2) Phi(y / s) + s (y^2 + 2 s^2) phi(y / s)) / 6
inline double step(double x, double s) {
    if (std::abs(x) > 1.5 + 9.0 * s)
        return x < 0.0 ? 0.0 : 1.0;
    const auto t = [s](double y) {
        if (s == 0.0)
            return std::pow(std::max(y, 0.0), 3);
        const double below = 0.5 * std::erfc(-y / s / std::sqrt(2.0)),
                     density = std::exp(-0.5 * y * y / (s * s)) / std::sqrt(8.0 * std::atan(1.0));
        return (y * y * y + 3.0 * y * s * s) * below + s * (y * y + 2.0 * s * s) * density;
    };
    return (t(x + 1.5) - 3.0 * t(x + 0.5) + 3.0 * t(x - 0.5) - t(x - 1.5)) / 6.0;
}

// The model (P,) that coefficients (n_grid,) give, each weight from the closed form.
inline Vector dense(const Pixels& pixels, const Vector& shift, double extra, const Vector& coefficients) {
    constexpr int beyond = 150; // pixels of the constant at each end
    Vector model;
    const auto sigma_of = [&](std::size_t p) { return std::sqrt(std::max(0.0, pixels.variance[p] + extra)); };
    const auto shared = [&](std::size_t p) { // the Gaussian at the upper edge of p
        const double own = sigma_of(p);
        if (p + 1 == pixels.size() || pixels.high[p] != pixels.low[p + 1] ||
            pixels.arm[p] != pixels.arm[p + 1])
            return -1.0;
        const double next = sigma_of(p + 1);
        return std::abs(own - next) > 0.1 * std::max(own, next) ? -1.0
                                                                : std::sqrt(0.5 * (own * own + next * next));
    };
    for (std::size_t p = 0; p < pixels.size(); ++p) {
        const double by = shift[static_cast<std::size_t>(pixels.arm[p])];
        const double before = p > 0 ? shared(p - 1) : -1.0, after = shared(p);
        double sum = 0.0;
        for (int j = -beyond; j < static_cast<int>(n_grid) + beyond; ++j) {
            const double c =
                coefficients[static_cast<std::size_t>(std::clamp(j, 0, static_cast<int>(n_grid) - 1))];
            sum += c * (step(pixels.high[p] - by - j, after < 0.0 ? sigma_of(p) : after) -
                        step(pixels.low[p] - by - j, before < 0.0 ? sigma_of(p) : before));
        }
        model.push_back(sum / (pixels.high[p] - pixels.low[p]));
    }
    return model;
}

inline Vector seen(const Pixels& pixels, const Vector& shift, double extra, const Vector& coefficients) {
    maury::Instrument instrument(n_grid);
    instrument.set(pixels.view());
    instrument.place(shift, extra, maury::Instrument::Derivatives::none);
    Vector model(pixels.size(), 7.0);
    instrument.apply(padded(coefficients).data(), 0, 1, model.data(), 0);
    return model;
}

inline void near(const Vector& got, const Vector& wanted, double tolerance) {
    CHECK(got.size() == wanted.size());
    for (std::size_t p = 0; p < wanted.size(); ++p)
        CHECK_NEAR(got[p], wanted[p], tolerance);
}

inline std::vector<Pixels> samplings() {
    std::vector<Pixels> all;
    for (const double sigma : {0.0, 0.02, 0.4, 1.0, 2.7, 8.0}) {
        const auto even = [=](double) { return sigma; };
        all.push_back(native(sigma));
        all.push_back(contiguous(-4.3, 0.21, 90, even)); // much narrower, over the lower end
        all.push_back(contiguous(60.1, 6.7, 6, even));   // much wider, over the upper end
        all.push_back(contiguous(10.2, 1.37, 40, [=](double k) { return sigma * (1.0 + 0.02 * k); }));
        Pixels uneven; // each wider than the last, with a gap and a jump of the resolution
        for (double low = 5.0, width = 0.3; low < 80.0; low += width, width *= 1.04)
            if (low < 30.0 || low > 34.0)
                uneven.add(low, low + width, low < 50.0 ? sigma : 1.3 * sigma);
        for (std::size_t p = 0; p + 1 < uneven.size(); ++p) // one number for both
            if (std::abs(uneven.high[p] - uneven.low[p + 1]) < 1e-9)
                uneven.low[p + 1] = uneven.high[p];
        all.push_back(uneven);
        Pixels arms = contiguous(-2.0, 0.9, 60, even);
        for (double low = 45.0; low < 95.0; low += 1.6)
            arms.add(low, low + 1.6, 0.5 + sigma, 1);
        all.push_back(arms);
    }
    return all;
}

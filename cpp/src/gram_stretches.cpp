#include "gram_stretches.hpp"

#include "maury/instrument.hpp"
#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace maury {
namespace {

// Blurs that are stored [pixels^2]; beyond the last, the last.
constexpr double variances[] = {0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 36.0, 100.0};
constexpr std::size_t n_levels = sizeof variances / sizeof *variances;

} // namespace

GramStretches::GramStretches(const Emulator& emulator)
    : emulator_(emulator), n_stretches_((emulator.n_pixels() + length - 1) / length),
      levels_(std::make_unique<Level[]>(n_levels)) {
    const std::size_t n = emulator.basis().n_coefficients;
    n_numbers_ = simd::padded(n * (n + 1) / 2);
    matrices(0);
}

const float* GramStretches::matrices(std::size_t level) const {
    std::call_once(levels_[level].made, [&] { make(level); });
    return levels_[level].matrices.data();
}

void GramStretches::make(std::size_t level) const {
    const Basis& basis = emulator_.basis();
    const std::size_t n_pixels = emulator_.n_pixels(), stride = basis.stride, n = basis.n_coefficients;
    const float* rows = basis.rows;
    Aligned<float> blurred;
    if (level > 0) {
        std::vector<double> low(n_pixels), high(n_pixels), variance(n_pixels, variances[level]);
        std::iota(low.begin(), low.end(), -0.5);
        std::iota(high.begin(), high.end(), 0.5);
        ObservedPixels pixels;
        pixels.n = n_pixels;
        pixels.low = low.data();
        pixels.high = high.data();
        pixels.variance = variance.data();
        Instrument instrument(n_pixels);
        instrument.set(pixels);
        instrument.place({0.0}, 0.0, Instrument::Derivatives::none);
        const std::size_t rows_each = n_pixels + Instrument::pad;
        std::vector<double> columns(n * rows_each), seen(n_pixels * stride);
        for (std::size_t i = 0; i < n_pixels; ++i)
            for (std::size_t k = 0; k < n; ++k)
                columns[k * rows_each + i] =
                    static_cast<double>(emulator_.spline().basis_rows()[i * stride + k]);
        instrument.apply(columns.data(), rows_each, n, seen.data(), 1, stride);
        for (const double value : seen)
            blurred.push_back(static_cast<float>(value));
        rows = blurred.data();
    }
    Aligned<float>& matrices = levels_[level].matrices;
    matrices.assign(n_stretches_ * n_numbers_, 0.0f);
    const Aligned<float> ones(length, 1.0f), zeros(length);
    Aligned<float> scratch(simd::gram_scratch(n));
    Aligned<double> gram(stride * stride), unused(stride);
    for (std::size_t b = 0; b < n_stretches_; ++b) {
        const std::size_t first = b * length, count = std::min(length, n_pixels - first);
        simd::kernels().gram(rows + first * stride, count, n, ones.data(), zeros.data(), gram.data(),
                             unused.data(), scratch.data());
        float* to = &matrices[b * n_numbers_];
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j <= i; ++j)
                *to++ = static_cast<float>(gram[i * stride + j]);
    }
}

void GramStretches::sum(const double* weight, const double* variance, double* gram, Workspace& work) const {
    work.rows.clear();
    work.weights.clear();
    double heaviest = 1e-300; // float32 has a small range: weights enter in units of their largest
    for (std::size_t b = 0; b < n_stretches_; ++b)
        heaviest = std::max(heaviest, weight[b]);
    const auto add = [&](std::size_t b, std::size_t level, double part) {
        if (!(part * weight[b] > 0.0))
            return;
        work.rows.push_back(matrices(level) + b * n_numbers_);
        work.weights.push_back(static_cast<float>(part * weight[b] / heaviest));
    };
    for (std::size_t b = 0; b < n_stretches_; ++b) {
        std::size_t level = 0;
        while (level + 1 < n_levels && variances[level + 1] <= variance[b])
            ++level;
        const double part = level + 1 < n_levels
                                ? (variance[b] - variances[level]) / (variances[level + 1] - variances[level])
                                : 0.0;
        add(b, level, 1.0 - part);
        add(b, level + 1, part);
    }
    work.sum.resize(n_numbers_);
    simd::kernels().sum_of_rows(work.rows.data(), work.weights.data(), work.rows.size(), n_numbers_,
                                work.sum.data());
    const std::size_t n = emulator_.basis().n_coefficients, stride = emulator_.basis().stride;
    const float* from = work.sum.data();
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j <= i; ++j)
            gram[i * stride + j] = gram[j * stride + i] = heaviest * static_cast<double>(*from++);
}

} // namespace maury

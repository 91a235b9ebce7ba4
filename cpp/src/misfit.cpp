#include "misfit.hpp"

#include "median.hpp"

#include <algorithm>
#include <cmath>

namespace maury {
namespace {

constexpr double cell_pixels = 20.0, parts_of_window = 4.0;
constexpr double sure = 3.0;     // sigma of the noise that are subtracted
constexpr double spike = 6.0;    // sigma; such pixels are outliers, and counted as such
constexpr double feature = 0.01; // of the continuum; cells that are less uncertain weigh the same
constexpr double of_median = 1.5707963267948966;  // pi / 2: variance of a median over that of the mean
constexpr double most_rms = 1.0, most_cell = 2.5; // in units of the usual error

std::size_t at_least_one(double pixels) {
    return static_cast<std::size_t>(std::max(1.0, std::nearbyint(pixels)));
}

} // namespace

CellSize cell_size(double width, double window) {
    return {at_least_one(cell_pixels / width), at_least_one(window / parts_of_window / width)};
}

SmoothMisfit smooth_misfit(const NormalisedFit& fit, CellSize size) {
    const auto used = [&](std::size_t p) { return fit.ivar[p] > 0.0 && std::isfinite(fit.model[p]); };
    std::size_t first = 0, end = fit.n;
    while (first < end && !used(first))
        ++first;
    while (end > first && !used(end - 1))
        --end;
    first += size.edge;
    double square = 0.0, fourth = 0.0, worst = 0.0, n_known = 0.0;
    for (std::size_t c = 0; c < fit.n / size.cell; ++c) {
        double total = 0.0, sum = 0.0;
        for (std::size_t p = c * size.cell; p < (c + 1) * size.cell; ++p) {
            if (p < first || p + size.edge >= end || !used(p))
                continue;
            const double weight = 1.0 / (1.0 / fit.ivar[p] + fit.scatter[p] * fit.scatter[p]),
                         residual = fit.flux[p] - fit.model[p];
            if (residual * residual * weight > spike * spike)
                continue;
            total += weight;
            sum += weight * residual;
        }
        if (!(total > 0.0))
            continue;
        const double variance = 1.0 / total, mean = sum * variance;
        n_known += 1.0;
        square += mean * mean - variance;
        fourth += variance * variance;
        worst = std::max(worst, std::abs(mean) - sure * std::sqrt(variance));
    }
    const double mean_square = (square - sure * std::sqrt(2.0 * fourth)) / std::max(n_known, 1.0);
    return {std::sqrt(std::max(mean_square, 0.0)), worst};
}

bool is_misfit(SmoothMisfit found, double usual) {
    return found.rms > most_rms * usual || found.worst > most_cell * usual;
}

double unexplained_part(const NormalisedFit& fit, std::size_t cell) {
    struct Cell {
        double r, m, v, g;
    };
    std::vector<Cell> cells;
    std::vector<double> residual;
    double most = 1e-300;
    for (std::size_t c = 0; c < fit.n / cell; ++c) {
        residual.clear();
        double features = 0.0, inverse = 0.0, unsure = 0.0;
        for (std::size_t p = c * cell; p < (c + 1) * cell; ++p)
            if (fit.ivar[p] > 0.0 && std::isfinite(fit.model[p])) {
                residual.push_back(fit.flux[p] - fit.model[p]);
                features += fit.model[p] - 1.0;
                inverse += fit.ivar[p];
                unsure += fit.scatter[p] * fit.scatter[p];
            }
        const std::size_t count = residual.size();
        Cell here{0.0, count ? features / static_cast<double>(count) : 0.0, 0.0, 0.0};
        if (2 * count > cell) {
            here.r = median(residual);
            here.v = of_median / inverse;
            here.g = 1.0 / (here.v + unsure / static_cast<double>(count) + feature * feature);
        }
        most = std::max(most, here.g);
        cells.push_back(here);
    }
    double noise = 0.0, fourth = 0.0, left = 0.0, there = 0.0, lines = 0.0;
    for (const Cell& here : cells) {
        const double g = here.g / most, gv = g * g * here.v;
        noise += gv;
        fourth += gv * gv;
        left += g * here.r * (g * here.r);
        there += g * (here.r + here.m) * (g * (here.r + here.m));
        lines += g * here.m * (g * here.m);
    }
    left += -noise - sure * std::sqrt(2.0 * fourth);
    there = std::max(there - noise, lines);
    return left > 0.0 && there > 0.0 ? std::sqrt(left / there) : 0.0;
}

} // namespace maury

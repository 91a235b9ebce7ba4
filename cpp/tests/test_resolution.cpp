// The instrument with a resolution matrix in place of a Gaussian, against sums by hand.
#include "check.hpp"
#include "level.hpp"
#include "pixels.hpp"

#include <cmath>
#include <numeric>

namespace {

using maury::Instrument;
using Derivatives = Instrument::Derivatives;

// Rows of n_neighbours, each the same; as of neighbours that do not exist.
Pixels with_rows(Pixels pixels, const Vector& row, double narrowing) {
    const std::ptrdiff_t side = static_cast<std::ptrdiff_t>(row.size()) / 2;
    pixels.n_neighbours = row.size();
    const auto n = static_cast<std::ptrdiff_t>(pixels.size());
    for (std::ptrdiff_t p = 0; p < n; ++p)
        for (std::ptrdiff_t d = -side; d <= side; ++d)
            pixels.resolution.push_back(p + d < 0 || p + d >= n ? 0.0
                                                                : row[static_cast<std::size_t>(d + side)]);
    pixels.narrowing.assign(pixels.size(), narrowing);
    return pixels;
}

Vector gaussian(double sigma, std::size_t side) { // in steps of a pixel
    Vector row;
    for (std::size_t d = 0; d <= 2 * side; ++d)
        row.push_back(
            std::exp(-0.5 * std::pow((static_cast<double>(d) - static_cast<double>(side)) / sigma, 2)));
    const double sum = std::accumulate(row.begin(), row.end(), 0.0);
    for (double& value : row)
        value /= sum;
    return row;
}

// On the grid itself a row is a sum of neighbours.
void is_a_sum_of_neighbours() {
    const Vector values = random_numbers(n_grid), row = {0.1, 0.5, 0.3, 0.2, -0.05};
    Vector coefficients = values;
    maury::spline_coefficients(coefficients.data(), n_grid, 1);
    Vector wanted;
    for (std::size_t p = 0; p < n_grid; ++p) {
        double sum = 0.0;
        for (std::size_t d = 0; d < 5; ++d)
            if (p + d >= 2 && p + d - 2 < n_grid)
                sum += row[d] * values[p + d - 2];
        wanted.push_back(sum);
    }
    near(seen(with_rows(native(0.0), row, 1.0), {0.0}, 0.0, coefficients), wanted, 1e-8);
}

// Narrowed and shifted: of places between the pixels.
void narrowing_moves_neighbours_inwards() {
    const Vector c = random_numbers(n_grid), row = {0.2, 0.5, 0.3};
    const Pixels pixels = contiguous(3.3, 1.2, 60, [](double) { return 0.0; });
    Pixels part[3];
    for (const std::size_t d : {0u, 1u, 2u})
        for (std::size_t p = 0; p < pixels.size(); ++p) {
            const double place =
                0.5 * (pixels.low[p] + pixels.high[p]) + 0.7 * 1.2 * (static_cast<double>(d) - 1.0);
            part[d].add(place - 0.5, place + 0.5, 0.0, static_cast<std::int32_t>(p)); // none shares an edge
        }
    for (const double extra : {0.0, 2.0}) {
        const Vector shifts(pixels.size(), 0.8), got = seen(with_rows(pixels, row, 0.7), {0.8}, extra, c);
        Vector wanted(pixels.size());
        for (const std::size_t d : {0u, 1u, 2u}) {
            const Vector of = dense(part[d], shifts, extra, c);
            for (std::size_t p = 0; p < pixels.size(); ++p)
                wanted[p] += row[d] * of[p];
        }
        for (std::size_t p = 1; p + 1 < pixels.size(); ++p)
            CHECK_NEAR(got[p], wanted[p], 1e-6);
    }
}

// Rows that sample a Gaussian are that Gaussian, less what the emulator has been through; but for what
// samples 0.8 pixels apart miss of a spline.
void equals_the_gaussian() {
    const double own = 1.5, sigma = 2.5, narrowing = std::sqrt(1.0 - own * own / (sigma * sigma));
    const Vector noise = random_numbers(n_grid + 30), emulators = gaussian(own, 15);
    Vector c;
    for (std::size_t i = 0; i < n_grid; ++i)
        c.push_back(std::inner_product(emulators.begin(), emulators.end(),
                                       noise.begin() + static_cast<std::ptrdiff_t>(i), 0.0));
    for (const double shift : {0.0, 0.37}) {
        const Vector got = seen(with_rows(native(0.0), gaussian(sigma, 15), narrowing), {shift}, 0.0, c);
        const Vector wanted = dense(native(2.0), {shift}, 0.0, c);
        for (std::size_t p = 15; p + 15 < n_grid; ++p)
            CHECK_NEAR(got[p], wanted[p], 2e-4);
    }
}

void derivatives() {
    const Vector c = random_numbers(n_grid), coefficients = padded(c);
    const Pixels pixels =
        with_rows(contiguous(-1.1, 0.9, 100, [](double) { return 0.0; }), gaussian(1.4, 4), 0.8);
    Instrument instrument(n_grid);
    instrument.set(pixels.view());
    instrument.place({0.2}, 0.6, Derivatives::both);
    Vector model(pixels.size()), by_shift(pixels.size()), by_extra(pixels.size());
    instrument.apply_with_derivatives(coefficients.data(), model.data(), by_shift.data(), by_extra.data());
    const double h = 1e-3;
    const Vector after = seen(pixels, {0.2 + h}, 0.6, c), before = seen(pixels, {0.2 - h}, 0.6, c),
                 more = seen(pixels, {0.2}, 0.6 + h, c), less = seen(pixels, {0.2}, 0.6 - h, c);
    for (std::size_t p = 0; p < pixels.size(); ++p) {
        CHECK_NEAR(by_shift[p], (after[p] - before[p]) / (2.0 * h), 1e-5);
        CHECK_NEAR(by_extra[p], (more[p] - less[p]) / (2.0 * h), 1e-5);
    }
}

void a_row_of_zeros_sees_nothing() {
    Pixels pixels = with_rows(native(0.0), {0.25, 0.5, 0.25}, 1.0);
    std::fill_n(&pixels.resolution[3 * 20], 3, 0.0);
    const Vector model = seen(pixels, {0.0}, 0.0, Vector(n_grid, 1.0));
    for (std::size_t p = 0; p < n_grid; ++p)
        CHECK_NEAR(model[p], p == 20 ? 0.0 : p == 0 || p == n_grid - 1 ? 0.75 : 1.0, 1e-8);
}

} // namespace

int main() {
    if (level_is_missing())
        return skipped;
    is_a_sum_of_neighbours();
    narrowing_moves_neighbours_inwards();
    equals_the_gaussian();
    derivatives();
    a_row_of_zeros_sees_nothing();
    return check::report();
}

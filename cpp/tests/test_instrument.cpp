// The instrument against a dense matrix from the closed form, against sums by hand, and against what it must
// keep: flux, constants, and the spectrum itself on its own grid.
#include "blurred_step.hpp"
#include "check.hpp"
#include "level.hpp"
#include "pixels.hpp"

#include <algorithm>
#include <cmath>

namespace {

using maury::Instrument;
using Derivatives = Instrument::Derivatives;

// To what its header promises; each derivative against differences of the one before.
void blurred_step() {
    maury::BlurredStep of, before, after;
    for (const double sigma : {0.0, 1e-4, 0.1, 0.5, 1.0, 2.0, 5.0, 8.0})
        for (const double part : {0.0, 0.31, 0.9}) {
            const double reach = 1.5 + maury::blur_reach * sigma, first = std::floor(reach) + part,
                         h = 1e-3 * sigma;
            const auto n = static_cast<std::size_t>(first + reach) + 1;
            of.set(first, n, sigma, 5);
            for (std::size_t k = 0; k < n; ++k)
                CHECK_NEAR(of.derivative(0)[k], step(first - static_cast<double>(k), sigma),
                           sigma == 0.0 ? 1e-5 : 1e-9 * std::max(1.0, sigma * sigma * sigma));
            if (sigma < 0.1)
                continue;
            before.set(first - h, n, sigma, 4);
            after.set(first + h, n, sigma, 4);
            for (int d = 1; d <= maury::BlurredStep::most; ++d)
                for (std::size_t k = 0; k < n; ++k)
                    CHECK_NEAR(of.derivative(d)[k],
                               (after.derivative(d - 1)[k] - before.derivative(d - 1)[k]) / (2.0 * h),
                               1e-6 * (1.0 + std::pow(sigma, -d)));
        }
}

void against_the_dense_matrix() {
    const Vector c = random_numbers(n_grid);
    for (const Pixels& pixels : samplings())
        for (const double shift : {0.0, 3.7, -12.25})
            for (const double extra : {0.0, 1.1})
                near(seen(pixels, {shift, shift + 0.6}, extra, c),
                     dense(pixels, {shift, shift + 0.6}, extra, c), 1e-6);
}

void derivatives() {
    const Vector c = random_numbers(n_grid), coefficients = padded(c);
    for (const Pixels& pixels : samplings())
        for (const double extra : {0.0, 0.5}) {
            Instrument instrument(n_grid);
            instrument.set(pixels.view());
            instrument.place({1.3, 0.9}, extra, Derivatives::both);
            Vector model(pixels.size()), by_shift(pixels.size()), by_extra(pixels.size());
            instrument.apply_with_derivatives(coefficients.data(), model.data(), by_shift.data(),
                                              by_extra.data());
            near(model, dense(pixels, {1.3, 0.9}, extra, c), 1e-6);
            const double h = 1e-3;
            const Vector after = dense(pixels, {1.3 + h, 0.9 + h}, extra, c),
                         before = dense(pixels, {1.3 - h, 0.9 - h}, extra, c);
            for (std::size_t p = 0; p < pixels.size(); ++p)
                CHECK_NEAR(by_shift[p], (after[p] - before[p]) / (2.0 * h),
                           1e-4); // between nodes, hardly blurred
            if (extra == 0.0)
                continue; // no Gaussian can be narrower than none
            const Vector more = dense(pixels, {1.3, 0.9}, extra + h, c),
                         less = dense(pixels, {1.3, 0.9}, extra - h, c);
            // Where neighbours share the mean of two sigmas: to second order in their difference.
            for (std::size_t p = 0; p < pixels.size(); ++p)
                CHECK_NEAR(by_extra[p], (more[p] - less[p]) / (2.0 * h), 1e-4);
        }
}

void keeps_the_spectrum_on_its_own_grid() {
    for (const std::size_t n : {1u, 2u, 3u, 90u}) {
        Vector values = random_numbers(n), coefficients = values, model(n);
        maury::spline_coefficients(coefficients.data(), n, 1);
        Instrument instrument(n);
        const Pixels pixels = contiguous(-0.5, 1.0, n, [](double) { return 0.0; });
        instrument.set(pixels.view());
        instrument.place({0.0}, 0.0, Derivatives::none);
        instrument.apply(padded(coefficients).data(), 0, 1, model.data(), 0);
        near(model, values, 1e-8);
    }
    // Columns side by side are those one by one.
    Vector both = random_numbers(2 * n_grid), first, second;
    for (std::size_t i = 0; i < n_grid; ++i) {
        first.push_back(both[2 * i]);
        second.push_back(both[2 * i + 1]);
    }
    maury::spline_coefficients(both.data(), n_grid, 2);
    maury::spline_coefficients(first.data(), n_grid, 1);
    maury::spline_coefficients(second.data(), n_grid, 1);
    for (std::size_t i = 0; i < n_grid; ++i)
        CHECK(both[2 * i] == first[i] && both[2 * i + 1] == second[i]);
}

void constants_stay() {
    for (const Pixels& pixels : samplings())
        near(seen(pixels, {2.3, -1.1}, 0.7, Vector(n_grid, 1.0)), Vector(pixels.size(), 1.0), 1e-6);
}

void flux_is_kept() {
    Vector line(n_grid);
    line[44] = 1.0;
    line[46] = -0.4;
    const auto total = [&](const Pixels& pixels) {
        const Vector model = seen(pixels, {0.3}, 0.0, line);
        double sum = 0.0;
        for (std::size_t p = 0; p < pixels.size(); ++p)
            sum += model[p] * (pixels.high[p] - pixels.low[p]);
        return sum;
    };
    for (const double width : {0.23, 1.0, 4.1})
        for (const double growth : {0.0, 0.01}) // of sigma, towards the red
            CHECK_NEAR(total(contiguous(
                           2.0, width, static_cast<std::size_t>(84.0 / width),
                           [=](double k) { return 1.5 * std::exp(growth * k * std::min(1.0, width)); })),
                       0.6, 1e-6);
}

void beyond_the_ends_the_spectrum_goes_on_as_it_ended() {
    const Vector c = random_numbers(n_grid);
    Pixels pixels;
    pixels.add(-5e5, -5e5 + 1.0, 1.0);
    pixels.add(-40.0, -20.0, 2.0);
    pixels.add(120.0, 121.0, 3.0);
    pixels.add(5e5, 5e5 + 3.0, 0.0);
    near(seen(pixels, {0.4}, 0.0, c), {c.front(), c.front(), c.back(), c.back()}, 1e-9);
}

void arms_are_apart() {
    const Vector c = random_numbers(n_grid);
    const auto even = [](double) { return 1.2; };
    Pixels both = contiguous(3.0, 1.0, 40, even);
    const Pixels blue = both, red = contiguous(43.0, 1.0, 40, even); // they touch
    for (std::size_t p = 0; p < red.size(); ++p)
        both.add(red.low[p], red.high[p], 1.2, 1);
    Vector wanted = seen(blue, {0.5}, 0.0, c);
    const Vector of_red = seen(red, {-2.0}, 0.0, c);
    wanted.insert(wanted.end(), of_red.begin(), of_red.end());
    CHECK(seen(both, {0.5, -2.0}, 0.0, c) == wanted);
}

// Below 0, extra narrows, at most down to no Gaussian.
void extra_is_a_variance() {
    const Vector c = random_numbers(n_grid);
    near(seen(native(2.0), {0.0}, -3.0, c), seen(native(1.0), {0.0}, 0.0, c), 1e-12);
    near(seen(native(2.0), {0.0}, -5.0, c), seen(native(0.0), {0.0}, 0.0, c), 1e-12);
}

void one_instrument_serves_many_spectra() {
    const Vector c = random_numbers(n_grid), coefficients = padded(c);
    const std::vector<Pixels> all = samplings();
    Instrument instrument(n_grid);
    for (std::size_t i = 0; i < all.size(); ++i) {
        const Pixels& pixels = all[(7 * i) % all.size()];
        Vector model(pixels.size()), again(pixels.size());
        instrument.set(pixels.view());
        instrument.place({1.0, 0.0}, 0.2, Derivatives::none);
        instrument.apply(coefficients.data(), 0, 1, model.data(), 0);
        CHECK(model == seen(pixels, {1.0, 0.0}, 0.2, c));
        instrument.place({1.0, 0.0}, 0.2, Derivatives::both); // the same, but for what it lacks
        instrument.apply(coefficients.data(), 0, 1, again.data(), 0);
        CHECK(model == again);
        instrument.place({1.0, 0.5}, 0.2, Derivatives::none);
        instrument.apply(coefficients.data(), 0, 1, again.data(), 0);
        CHECK(again == seen(pixels, {1.0, 0.5}, 0.2, c));
    }
}

// The transpose: u'(A v) = (A'u)'v, also after a move.
void the_transpose() {
    constexpr std::size_t length = n_grid + Instrument::pad;
    for (const Pixels& pixels : samplings()) {
        Instrument instrument(n_grid);
        instrument.set(pixels.view());
        instrument.place({0.4, 0.1}, 0.0, Derivatives::both);
        instrument.move({0.0, 0.2});
        const Vector v = padded(random_numbers(n_grid)), u = random_numbers(pixels.size());
        Vector model(pixels.size()), back(length);
        instrument.apply(v.data(), 0, 1, model.data(), 0);
        instrument.apply_adjoint(u.data(), back.data());
        double there = 0.0, here = 0.0;
        for (std::size_t p = 0; p < pixels.size(); ++p)
            there += u[p] * model[p];
        for (std::size_t i = 0; i < n_grid; ++i)
            here += back[i] * v[i];
        CHECK_NEAR(here, there, 1e-10 * static_cast<double>(pixels.size()));
    }
}

} // namespace

int main() {
    if (level_is_missing())
        return skipped;
    blurred_step();
    against_the_dense_matrix();
    derivatives();
    keeps_the_spectrum_on_its_own_grid();
    constants_stay();
    flux_is_kept();
    beyond_the_ends_the_spectrum_goes_on_as_it_ended();
    arms_are_apart();
    extra_is_a_variance();
    one_instrument_serves_many_spectra();
    the_transpose();
    return check::report();
}

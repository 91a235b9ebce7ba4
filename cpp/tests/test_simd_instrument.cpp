// The kernels of the instrument at the level in use against plain loops in double; sizes off its vectors on
// purpose. MAURY_SIMD chooses the level; one that this machine does not have is skipped.
#include "check.hpp"
#include "level.hpp"
#include "maury/aligned.hpp"
#include "random_numbers.hpp"
#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace {

using maury::Aligned;
using maury::simd::Band;
using maury::simd::CubeTails;
using maury::simd::kernels;
using maury::simd::padded;

// Rows of 0, 4, 8, ... weights of what begins anywhere, sometimes where the last began; moved or not.
struct RandomBand {
    std::vector<std::uint32_t> first, start{0};
    Aligned<double> weight, by_shift, by_extra, away;

    RandomBand(std::size_t n_pixels, std::size_t n_rows) {
        std::uniform_int_distribution<std::uint32_t> length(0, 5),
            place(0, static_cast<std::uint32_t>(n_rows) - 20);
        for (std::size_t p = 0; p < n_pixels; ++p) {
            start.push_back(start.back() + 4 * length(generator));
            first.push_back(p % 3 == 1 ? first.back() : place(generator));
        }
        for (auto* values : {&weight, &by_shift, &by_extra})
            *values = random_numbers<double>(start.back());
        away = random_numbers<double>(n_pixels);
        for (std::size_t p = 0; p < n_pixels; p += 4)
            away[p] = 0.0;
    }
    Band view(bool moved) const {
        return {first.size(),
                first.data(),
                start.data(),
                weight.data(),
                by_shift.data(),
                by_extra.data(),
                moved ? away.data() : nullptr};
    }
    double at(std::size_t p, std::uint32_t k, bool moved) const {
        const double by = moved ? away[p] : 0.0;
        return weight[k] + by * (by_shift[k] + by * by_extra[k]);
    }
    template <typename Value> double sum(std::size_t p, bool moved, Value value) const {
        double total = 0.0;
        for (std::uint32_t k = start[p]; k < start[p + 1]; ++k)
            total += at(p, k, moved) * value(first[p] + k - start[p]);
        return total;
    }
};

void banded() {
    constexpr std::size_t n_rows = 50;
    for (const bool moved : {false, true})
        for (const std::size_t n_pixels : {1u, 7u, 64u})
            for (std::size_t n_columns = 1; n_columns <= 9; ++n_columns) {
                const RandomBand band(n_pixels, n_rows);
                const Aligned<double> columns = random_numbers<double>(n_columns * (n_rows + 1));
                for (const bool side_by_side : {false, true}) {
                    const std::size_t step = side_by_side ? 10 : 1, stride = side_by_side ? 1 : n_pixels + 2;
                    Aligned<double> out(10 * (n_pixels + 2), 7.0);
                    kernels().banded(band.view(moved), columns.data(), n_rows + 1, n_columns, out.data(),
                                     stride, step);
                    for (std::size_t c = 0; c < n_columns; ++c)
                        for (std::size_t p = 0; p < n_pixels; ++p)
                            CHECK_NEAR(
                                out[c * stride + p * step],
                                band.sum(p, moved,
                                         [&](std::size_t row) { return columns[c * (n_rows + 1) + row]; }),
                                1e-12);
                    CHECK(out[side_by_side ? n_columns : n_pixels] == 7.0); // not a number too many
                }
                Aligned<double> value(n_pixels), slope(n_pixels), bend(n_pixels);
                kernels().banded_derivatives(band.view(moved), columns.data(), value.data(), slope.data(),
                                             bend.data());
                for (std::size_t p = 0; p < n_pixels; ++p) {
                    double total = 0.0, first = 0.0, second = 0.0;
                    for (std::uint32_t k = band.start[p]; k < band.start[p + 1]; ++k) {
                        const double here = columns[band.first[p] + k - band.start[p]];
                        total += band.at(p, k, moved) * here;
                        first +=
                            (band.by_shift[k] + 2.0 * (moved ? band.away[p] : 0.0) * band.by_extra[k]) * here;
                        second += band.by_extra[k] * here;
                    }
                    CHECK_NEAR(value[p], total, 1e-12);
                    CHECK_NEAR(slope[p], first, 1e-12);
                    CHECK_NEAR(bend[p], second, 1e-12);
                }
            }
}

void banded_adjoint() {
    constexpr std::size_t n_rows = 50;
    for (const bool moved : {false, true})
        for (const std::size_t n_pixels : {1u, 7u, 64u}) {
            const RandomBand band(n_pixels, n_rows);
            const Aligned<double> values = random_numbers<double>(n_pixels);
            Aligned<double> out(n_rows, 1.0), wanted = out;
            kernels().banded_adjoint(band.view(moved), values.data(), out.data());
            for (std::size_t p = 0; p < n_pixels; ++p)
                for (std::uint32_t k = band.start[p]; k < band.start[p + 1]; ++k)
                    wanted[band.first[p] + k - band.start[p]] += band.at(p, k, moved) * values[p];
            for (std::size_t i = 0; i < n_rows; ++i)
                CHECK_NEAR(out[i], wanted[i], 1e-11);
        }
}

// Tails that are any polynomial: the kernel does not know whose they are. t(z) = tail(|z|) + z^3 + 3 z for z
// > 0, t' = 3 (z^2 + 1) - tail', t'' = tail'' + 6 z, t''' = 6 - tail'''; where |z| > end the tail is that at
// end.
void blurred_cubes() {
    CubeTails tails;
    for (auto& power : tails.power) {
        const Aligned<double> numbers = random_numbers<double>(CubeTails::n);
        std::copy(numbers.begin(), numbers.end(), power);
    }
    const auto tail = [&](int derivative, double z) {
        const double s = std::min(1.0, 2.0 * std::abs(z) / CubeTails::end - 1.0);
        double sum = 0.0;
        for (std::size_t i = CubeTails::n; i-- > 0;)
            sum = sum * s + tails.power[derivative][i];
        return sum;
    };
    for (const std::size_t n : {1u, 3u, 8u, 13u, 40u})
        for (const double step : {0.2, 1.7, 1e5})
            for (const double first : {0.5 * static_cast<double>(n) * step, 2.0, -0.1})
                for (int n_derivatives = 0; n_derivatives <= 3; ++n_derivatives) {
                    const std::size_t stride = padded(n);
                    Aligned<double> out(4 * stride, 7.0);
                    kernels().blurred_cubes(tails, first, step, n, n_derivatives, out.data(), stride);
                    for (std::size_t k = 0; k < n; ++k) {
                        const double z = first - static_cast<double>(k) * step,
                                     size = std::max(1.0, std::abs(z));
                        if (std::abs(z) < 1e-9)
                            continue; // on which side of 0 is up to rounding
                        const double wanted[] = {tail(0, z) + (z > 0.0 ? z * z * z + 3.0 * z : 0.0),
                                                 z > 0.0 ? 3.0 * (z * z + 1.0) - tail(1, z) : tail(1, z),
                                                 tail(2, z) + (z > 0.0 ? 6.0 * z : 0.0),
                                                 z > 0.0 ? 6.0 - tail(3, z) : tail(3, z)};
                        for (int d = 0; d <= n_derivatives; ++d)
                            CHECK_NEAR(out[static_cast<std::size_t>(d) * stride + k], wanted[d],
                                       1e-12 * std::pow(size, 3 - d));
                    }
                    if (n_derivatives < 3)
                        CHECK(out[3 * stride] == 7.0); // none but those that were asked for
                }
}

} // namespace

int main() {
    if (level_is_missing())
        return skipped;
    banded();
    banded_adjoint();
    blurred_cubes();
    return check::report();
}

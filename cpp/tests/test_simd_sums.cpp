// The kernels that sum over pixels, of the level in use, against plain loops in double; see test_simd.cpp.
#include "check.hpp"
#include "level.hpp"
#include "maury/aligned.hpp"
#include "random_numbers.hpp"
#include "simd/kernels.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

using maury::Aligned;
using maury::simd::kernels;
using maury::simd::padded;
using maury::simd::panel;

void gram() {
    for (const std::size_t n : {1u, 8u, 17u, 48u, 64u, 90u, 150u})
        for (const std::size_t n_pixels : {1u, 63u, 500u}) {
            const std::size_t stride = padded(n);
            const Aligned<float> rows = random_rows(n_pixels, n), r = random_numbers<float>(n_pixels);
            Aligned<float> root = random_numbers<float>(n_pixels);
            for (std::size_t p = 0; p < n_pixels; ++p)
                root[p] = p % 5 == 2 ? 0.0f : std::abs(root[p]);
            Aligned<double> matrix(stride * stride, 7.0), inner(stride, 7.0);
            Aligned<float> scratch(maury::simd::gram_scratch(n), 7.0f);
            kernels().gram(rows.data(), n_pixels, n, root.data(), r.data(), matrix.data(), inner.data(),
                           scratch.data());
            const auto sum = [&](auto left, auto right, double got) {
                double total = 0.0, size = 0.0;
                for (std::size_t p = 0; p < n_pixels; ++p) {
                    const double w = static_cast<double>(root[p]) * static_cast<double>(root[p]);
                    total += w * static_cast<double>(left(p)) * static_cast<double>(right(p));
                    size += w * std::abs(static_cast<double>(left(p)) * static_cast<double>(right(p)));
                }
                CHECK_NEAR(got, total, 1e-6 * size);
            };
            const auto column = [&](std::size_t k) {
                return [&, k](std::size_t p) { return rows[p * stride + k]; };
            };
            for (std::size_t i = 0; i < n; ++i) {
                sum(column(i), [&](std::size_t p) { return r[p]; }, inner[i]);
                for (std::size_t j = 0; j < n; ++j) {
                    sum(column(i), column(j), matrix[i * stride + j]);
                    CHECK(matrix[i * stride + j] == matrix[j * stride + i]);
                }
            }
        }
}

void sums_over_pixels() {
    for (const std::size_t n : {1u, 3u, 31u, 256u, 1001u}) {
        const Aligned<double> a = random_numbers<double>(n), b = random_numbers<double>(n);
        const Aligned<float> s = random_numbers<float>(n), t = random_numbers<float>(n);
        Aligned<double> w = random_numbers<double>(n);
        double square = 0.0, product = 0.0, mixed = 0.0, single = 0.0, heaviest = 0.0;
        for (std::size_t p = 0; p < n; ++p) {
            w[p] = std::abs(w[p]);
            heaviest = std::max(heaviest, w[p]);
            square += w[p] * (a[p] - b[p]) * (a[p] - b[p]);
            product += a[p] * b[p];
            mixed += static_cast<double>(s[p]) * b[p];
            single += static_cast<double>(s[p]) * static_cast<double>(t[p]);
        }
        const double size = static_cast<double>(n);
        for (const std::size_t n_lags : {1u, 5u, 14u}) { // of templates that begin before and end behind
            const Aligned<float> templates = random_numbers<float>(n + 3 * n_lags);
            std::vector<float> values(n_lags);
            kernels().lags(s.data(), t.data(), n, &templates[3 * (n_lags - 1)], 3, n_lags, values.data());
            for (std::size_t i = 0; i < n_lags; ++i) {
                double wanted = 0.0;
                for (std::size_t p = 0; p < n; ++p) {
                    const auto f = static_cast<double>(templates[3 * (n_lags - 1 - i) + p]);
                    wanted += f * (f * static_cast<double>(s[p]) - static_cast<double>(t[p]));
                }
                CHECK_NEAR(values[i], wanted, 1e-6 * static_cast<double>(n));
            }
        }
        CHECK_NEAR(kernels().weighted_square(w.data(), a.data(), b.data(), n), square, 1e-14 * square);
        CHECK_NEAR(kernels().dot(a.data(), b.data(), n), product, 1e-14 * size);
        CHECK_NEAR(kernels().dot_mixed(s.data(), b.data(), n), mixed, 1e-14 * size);
        CHECK_NEAR(kernels().dot_single(s.data(), t.data(), n), single, 1e-6 * size);
    }
}

// Eight columns side by side, and rows by their addresses.
void eight_columns() {
    constexpr std::size_t eight = maury::simd::eight;
    for (const std::size_t n : {1u, 2u, 7u, 64u, 301u}) {
        const Aligned<double> a = random_numbers<double>(n * eight), b = random_numbers<double>(n * eight),
                              w = random_numbers<double>(n);
        double block[eight * eight] = {1.0};
        kernels().normal_eight(a.data(), b.data(), w.data(), n, block);
        for (std::size_t i = 0; i < eight; ++i) {
            for (std::size_t j = 0; j < eight; ++j) {
                double product = i + j == 0 ? 1.0 : 0.0;
                for (std::size_t p = 0; p < n; ++p)
                    product += w[p] * a[p * eight + i] * b[p * eight + j];
                CHECK_NEAR(block[i * eight + j], product, 1e-13 * static_cast<double>(n));
            }
        }
        Aligned<double> total(eight), each(n, 2.0);
        kernels().sum_of_eights(a.data(), w.data(), n, total.data());
        kernels().add_eights(a.data(), b.data(), n, each.data());
        for (std::size_t i = 0; i < eight; ++i) {
            double wanted = 0.0;
            for (std::size_t p = 0; p < n; ++p)
                wanted += w[p] * a[p * eight + i];
            CHECK_NEAR(total[i], wanted, 1e-13 * static_cast<double>(n));
        }
        for (std::size_t p = 0; p < n; ++p) {
            double wanted = 2.0;
            for (std::size_t i = 0; i < eight; ++i)
                wanted += a[p * eight + i] * b[i];
            CHECK_NEAR(each[p], wanted, 1e-13);
        }
        for (const std::size_t k : {16u, 64u}) {
            const Aligned<float> rows = random_numbers<float>(n * k), v = random_numbers<float>(n);
            Aligned<float> sum(k);
            std::vector<const float*> addresses;
            for (std::size_t p = 0; p < n; ++p)
                addresses.push_back(&rows[p * k]);
            kernels().sum_of_rows(addresses.data(), v.data(), n, k, sum.data());
            for (std::size_t i = 0; i < k; ++i) {
                double wanted = 0.0;
                for (std::size_t p = 0; p < n; ++p)
                    wanted += static_cast<double>(v[p]) * static_cast<double>(rows[p * k + i]);
                CHECK_NEAR(sum[i], wanted, 1e-4);
            }
        }
    }
}

void least_of_panels() {
    const std::size_t n_panels = 5;
    for (const std::size_t n : {1u, 4u, 10u}) {
        const Aligned<float> y = random_numbers<float>(n_panels * n * panel), q = random_numbers<float>(n);
        Aligned<float> matrix = random_numbers<float>(n * n), least(n_panels);
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j < i; ++j)
                matrix[i * n + j] = matrix[j * n + i];
        std::vector<std::uint32_t> which(n_panels);
        kernels().least_of_panels(y.data(), n_panels, n, matrix.data(), q.data(), least.data(), which.data());
        for (std::size_t m = 0; m < n_panels; ++m) {
            std::vector<double> form(panel);
            for (std::size_t lane = 0; lane < panel; ++lane) {
                const auto at = [&](std::size_t i) {
                    return static_cast<double>(y[(m * n + i) * panel + lane]);
                };
                for (std::size_t i = 0; i < n; ++i) {
                    form[lane] -= 2.0 * static_cast<double>(q[i]) * at(i);
                    for (std::size_t j = 0; j < n; ++j)
                        form[lane] += at(i) * static_cast<double>(matrix[i * n + j]) * at(j);
                }
            }
            CHECK_NEAR(least[m], *std::min_element(form.begin(), form.end()), 1e-4);
            CHECK_NEAR(form[which[m]], least[m], 1e-4);
        }
    }
}

} // namespace

int main() {
    if (level_is_missing())
        return skipped;
    gram();
    sums_over_pixels();
    least_of_panels();
    eight_columns();
    return check::report();
}

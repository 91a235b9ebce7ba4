// Every kernel of the level in use against plain loops in double; sizes off its vectors and blocks on
// purpose. MAURY_SIMD chooses the level; one that this machine does not have is skipped.
#include "check.hpp"
#include "level.hpp"
#include "maury/aligned.hpp"
#include "random_numbers.hpp"
#include "simd/kernels.hpp"

#include <algorithm>
#include <random>
#include <vector>

namespace {

using maury::Activation;
using maury::Aligned;
using maury::simd::kernels;
using maury::simd::padded;
using maury::simd::panel;

// (n_rows, n) numbers, each row padded with zeros.
Aligned<float> random_rows(std::size_t n_rows, std::size_t n) {
    Aligned<float> rows = random_numbers<float>(n_rows * padded(n));
    for (std::size_t p = 0; p < n_rows; ++p)
        std::fill_n(&rows[p * padded(n) + n], padded(n) - n, 0.0f);
    return rows;
}

template <typename Number, typename Kernel> void affine(Kernel kernel, double precision) {
    for (const std::size_t n_out : {1u, 16u, 37u})
        for (const std::size_t n_in : {1u, 5u, 300u})
            for (std::size_t n_columns = 1; n_columns <= 17; ++n_columns) {
                const Aligned<float> weight = random_numbers<float>(n_out * n_in);
                Aligned<float> packed(padded(n_out) * n_in);
                maury::simd::pack(weight.data(), n_out, n_in, packed.data());
                const Aligned<Number> bias = random_numbers<Number>(n_out);
                const Aligned<Number> in = random_numbers<Number>(n_columns * (n_in + 1));
                Aligned<Number> out(n_columns * (n_out + 2), Number{7}), bare(n_columns * n_out);
                kernel(packed.data(), bias.data(), n_out, n_in, in.data(), n_in + 1, n_columns, out.data(),
                       n_out + 2);
                kernel(packed.data(), nullptr, n_out, n_in, in.data(), n_in + 1, n_columns, bare.data(),
                       n_out);
                for (std::size_t c = 0; c < n_columns; ++c) {
                    for (std::size_t row = 0; row < n_out; ++row) {
                        double sum = 0.0, size = 1.0;
                        for (std::size_t k = 0; k < n_in; ++k) {
                            const double term = static_cast<double>(weight[row * n_in + k]) *
                                                static_cast<double>(in[c * (n_in + 1) + k]);
                            sum += term;
                            size += std::abs(term);
                        }
                        CHECK_NEAR(bare[c * n_out + row], sum, precision * size);
                        CHECK_NEAR(out[c * (n_out + 2) + row], sum + static_cast<double>(bias[row]),
                                   precision * size);
                    }
                    CHECK(out[c * (n_out + 2) + n_out] == Number{7}); // not a number too many
                }
            }
}

double exact(Activation activation, double z) {
    switch (activation) {
    case Activation::identity:
        return z;
    case Activation::relu:
        return std::max(z, 0.0);
    case Activation::leaky_relu:
        return std::max(z, 0.01 * z);
    case Activation::silu:
        return z / (1.0 + std::exp(-z));
    case Activation::tanh:
        return std::tanh(z);
    case Activation::sigmoid:
        return 1.0 / (1.0 + std::exp(-z));
    case Activation::gelu:
        return 0.5 * z * (1.0 + std::erf(z / std::sqrt(2.0)));
    }
    return 0.0;
}

void activations() {
    for (const Activation activation :
         {Activation::identity, Activation::relu, Activation::leaky_relu, Activation::silu, Activation::tanh,
          Activation::sigmoid, Activation::gelu}) {
        std::vector<float> value, slope;
        for (double z = -30.0; z < 30.0; z += 0.0371) // 1618 of them: a rest in every width
            value.push_back(static_cast<float>(z));
        value.insert(value.end(), {0.0f, -1e4f, 1e4f});
        const std::vector<float> argument = value;
        slope.resize(value.size());
        kernels().activate_single(activation, value.data(), slope.data(), value.size());
        for (std::size_t i = 0; i < value.size(); ++i) {
            const double z = static_cast<double>(argument[i]), scale = std::max(1.0, std::abs(z));
            CHECK_NEAR(value[i], exact(activation, z), 4e-7 * scale);
            if (std::abs(z) < 0.01)
                continue; // a kink
            const double step = 1e-5;
            const double wanted = (exact(activation, z + step) - exact(activation, z - step)) / (2.0 * step);
            CHECK_NEAR(slope[i], wanted, 2e-6 * scale);
        }
    }
}

void expand() {
    for (const std::size_t n : {1u, 16u, 45u})
        for (const std::size_t n_pixels : {1u, 7u, 64u, 131u})
            for (std::size_t n_columns = 1; n_columns <= 8; ++n_columns) {
                const std::size_t stride = padded(n);
                const Aligned<float> rows = random_rows(n_pixels, n);
                Aligned<double> columns = random_numbers<double>(n_columns * stride);
                for (std::size_t c = 0; c < n_columns; ++c)
                    std::fill_n(&columns[c * stride + n], stride - n, 0.0);
                const Aligned<double> bias = random_numbers<double>(n_pixels);
                Aligned<double> out(n_columns * (n_pixels + 3));
                for (const double* shift : {bias.data(), static_cast<const double*>(nullptr)}) {
                    kernels().expand(rows.data(), stride, n_pixels, columns.data(), n_columns, shift,
                                     out.data(), n_pixels + 3);
                    for (std::size_t c = 0; c < n_columns; ++c)
                        for (std::size_t p = 0; p < n_pixels; ++p) {
                            double sum = shift ? shift[p] : 0.0;
                            for (std::size_t k = 0; k < n; ++k)
                                sum += static_cast<double>(rows[p * stride + k]) * columns[c * stride + k];
                            CHECK_NEAR(out[c * (n_pixels + 3) + p], sum, 1e-13);
                        }
                }
            }
}

// Rows summed.
void single_rows() {
    for (const std::size_t n : {1u, 16u, 45u, 64u, 150u})
        for (const std::size_t n_pixels : {1u, 7u, 64u, 131u, 400u}) {
            const std::size_t stride = padded(n);
            const Aligned<float> rows = random_rows(n_pixels, n);
            const Aligned<double> v = random_numbers<double>(n_pixels);
            Aligned<double> sums(stride);
            kernels().weighted_rows(rows.data(), n_pixels, stride, v.data(), sums.data());
            for (std::size_t k = 0; k < stride; ++k) {
                double sum = 0.0, size = 1.0;
                for (std::size_t p = 0; p < n_pixels; ++p) {
                    const double term = static_cast<double>(rows[p * stride + k]) * v[p];
                    sum += term;
                    size += std::abs(term);
                }
                CHECK_NEAR(sums[k], sum, 3e-7 * size);
            }
        }
}

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

// A column's result must not depend on what stands beside it, as long as as many do.
void columns_are_independent() {
    const std::size_t n_out = 40, n_in = 33, n_columns = 5;
    const Aligned<float> packed = random_numbers<float>(padded(n_out) * n_in);
    Aligned<float> in = random_numbers<float>(n_columns * n_in), one(n_columns * n_out), other(one.size());
    kernels().affine_single(packed.data(), nullptr, n_out, n_in, in.data(), n_in, n_columns, one.data(),
                            n_out);
    std::fill_n(in.begin(), n_in, 3.0f);
    kernels().affine_single(packed.data(), nullptr, n_out, n_in, in.data(), n_in, n_columns, other.data(),
                            n_out);
    CHECK(std::equal(one.begin() + n_out, one.end(), other.begin() + n_out));
    CHECK(!std::equal(one.begin(), one.begin() + n_out, other.begin()));
}

} // namespace

int main() {
    if (level_is_missing())
        return skipped;
    const char* const wanted = std::getenv("MAURY_SIMD");
    CHECK(maury::simd_level() == (wanted ? wanted : maury::simd_levels().front()));
    affine<double>(kernels().affine, 1e-14);
    affine<float>(kernels().affine_single, 1e-6);
    activations();
    expand();
    single_rows();
    gram();
    sums_over_pixels();
    least_of_panels();
    eight_columns();
    columns_are_independent();
    return check::report();
}

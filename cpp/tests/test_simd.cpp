// The kernels of an emulator, of the level in use, against plain loops in double; sizes off its vectors and
// blocks on purpose. MAURY_SIMD chooses the level; one that this machine does not have is skipped.
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
    columns_are_independent();
    return check::report();
}

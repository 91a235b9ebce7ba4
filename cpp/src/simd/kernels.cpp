#include "kernels.hpp"

namespace maury::simd {
namespace {

constexpr std::size_t lanes = 8;

double total(const double (&sum)[lanes]) {
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

// One panel of rows times C columns: C * panel sums stay in registers. The two inner loops are to be
// unrolled and vectorised along the rows.
template <std::size_t C>
void panel_times(const double* packed, std::size_t n_in, const double* in, std::size_t in_stride,
                 double* out) {
    double sum[C][panel] = {};
    for (std::size_t k = 0; k < n_in; ++k, packed += panel, ++in)
        for (std::size_t c = 0; c < C; ++c)
            for (std::size_t r = 0; r < panel; ++r)
                sum[c][r] += in[c * in_stride] * packed[r];
    for (std::size_t c = 0; c < C; ++c)
        for (std::size_t r = 0; r < panel; ++r)
            out[c * panel + r] = sum[c][r];
}

template <std::size_t C>
void affine_columns(const double* packed, const double* bias, std::size_t n_out, std::size_t n_in,
                    const double* in, std::size_t in_stride, double* out, std::size_t out_stride) {
    for (std::size_t row = 0; row < n_out; row += panel, packed += panel * n_in) {
        const std::size_t rows = n_out - row < panel ? n_out - row : panel;
        double sum[C * panel];
        panel_times<C>(packed, n_in, in, in_stride, sum);
        for (std::size_t c = 0; c < C; ++c)
            for (std::size_t r = 0; r < rows; ++r)
                out[c * out_stride + row + r] = sum[c * panel + r] + (bias ? bias[row + r] : 0.0);
    }
}

} // namespace

void pack(const double* weight, std::size_t n_out, std::size_t n_in, double* packed) {
    for (std::size_t row = 0; row < padded(n_out); ++row)
        for (std::size_t k = 0; k < n_in; ++k)
            packed[(row / panel * n_in + k) * panel + row % panel] =
                row < n_out ? weight[row * n_in + k] : 0.0;
}

void unpack(const double* packed, std::size_t n_out, std::size_t n_in, double* weight) {
    for (std::size_t row = 0; row < n_out; ++row)
        for (std::size_t k = 0; k < n_in; ++k)
            weight[row * n_in + k] = packed[(row / panel * n_in + k) * panel + row % panel];
}

void affine(const double* packed, const double* bias, std::size_t n_out, std::size_t n_in, const double* in,
            std::size_t in_stride, std::size_t n_columns, double* out, std::size_t out_stride) {
    while (n_columns >= 2) {
        affine_columns<2>(packed, bias, n_out, n_in, in, in_stride, out, out_stride);
        in += 2 * in_stride;
        out += 2 * out_stride;
        n_columns -= 2;
    }
    if (n_columns == 1)
        affine_columns<1>(packed, bias, n_out, n_in, in, in_stride, out, out_stride);
}

double weighted_square(const double* w, const double* a, const double* b, std::size_t n) {
    double sum[lanes] = {};
    std::size_t p = 0;
    for (; p + lanes <= n; p += lanes)
        for (std::size_t i = 0; i < lanes; ++i) {
            const double difference = a[p + i] - b[p + i];
            sum[i] += w[p + i] * difference * difference;
        }
    for (std::size_t i = 0; p + i < n; ++i) {
        const double difference = a[p + i] - b[p + i];
        sum[i] += w[p + i] * difference * difference;
    }
    return total(sum);
}

double dot(const double* a, const double* b, std::size_t n) {
    double sum[lanes] = {};
    std::size_t p = 0;
    for (; p + lanes <= n; p += lanes)
        for (std::size_t i = 0; i < lanes; ++i)
            sum[i] += a[p + i] * b[p + i];
    for (std::size_t i = 0; p + i < n; ++i)
        sum[i] += a[p + i] * b[p + i];
    return total(sum);
}

} // namespace maury::simd

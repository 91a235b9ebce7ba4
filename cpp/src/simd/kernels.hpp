// The hot loops: pointers and sizes only. Each is compiled once a level of instructions, from the same source
// (kernels.cpp), and chosen at run time. Sums run in an order that depends on the sizes alone, so a result
// depends on the level and on its own numbers, on nothing else.
#pragma once

#include "maury/activation.hpp"

#include <cstddef>
#include <cstdint>

namespace maury::simd {

// Rows of a trunk layer are packed in panels of this many; rows of a basis are padded with zeros to a
// multiple of it. The same at every level, so that data need not know the level.
constexpr std::size_t panel = 16;
constexpr std::size_t padded(std::size_t n) { return (n + panel - 1) / panel * panel; }

// Pixels of a block of the Gram matrix: it stays in the first-level cache.
constexpr std::size_t gram_block(std::size_t n_columns) {
    const std::size_t fits = 6144 / padded(n_columns) / 16 * 16;
    return fits < 16 ? 16 : fits < 128 ? fits : 128;
}
constexpr std::size_t gram_scratch(std::size_t n_columns) {
    return (gram_block(n_columns) + 1) * padded(n_columns);
}

// For 0 <= a <= end, beyond which they are 0: t of blurred_cubes and its first three derivatives at z = -a,
// as polynomials of s = 2 a / end - 1.
struct CubeTails {
    static constexpr std::size_t n = 21;
    static constexpr double end = 5.5;
    double power[4][n];
};

// Derivatives of a model stand side by side, this many to a pixel.
constexpr std::size_t eight = 8;

// A local straight line through data over model, and what changes it: see continuum.hpp. All (n_pixels,) but
// factor (5, stride): what the change of continuum_p takes of the sums over its window, [first_p, end_p), of
// wd df, wd df t, wf df, wf df t, wf df t^2, with wd weighted data, wf weighted model, t place.
struct LineSums {
    std::size_t n_pixels, stride;
    const double *place, *model;
    const std::uint32_t *first, *end; // neither falls
    double *weighted_data, *weighted_model, *factor, *continuum;
    double* known; // 0 where no pixel in use tells the continuum, which is 1 there
};

// Row p of a banded matrix: weights start_p to start_{p+1} - 1, a multiple of 4 of them, of what stands from
// first_p on. With away (n_pixels,) not null it is weight + away_p (by_shift + away_p by_extra).
struct Band {
    std::size_t n_pixels;
    const std::uint32_t *first, *start;
    const double *weight, *by_shift, *by_extra, *away;
};

struct Kernels {
    const char* level;

    // out[c] = weight in[c] + bias for each column c. bias may be null.
    // weight float32 (n_out, n_in), packed as (padded(n_out) / panel, n_in, panel); in (n_columns,
    // in_stride), out (n_columns, out_stride): n_out values a column.
    void (*affine)(const float* packed, const double* bias, std::size_t n_out, std::size_t n_in,
                   const double* in, std::size_t in_stride, std::size_t n_columns, double* out,
                   std::size_t out_stride);
    void (*affine_single)(const float* packed, const float* bias, std::size_t n_out, std::size_t n_in,
                          const float* in, std::size_t in_stride, std::size_t n_columns, float* out,
                          std::size_t out_stride);

    // value (n,): argument in, activation out. slope (n,): its derivative. To about 2e-7.
    void (*activate_single)(Activation activation, float* value, float* slope, std::size_t n);

    // out[c, p] = rows[p] . columns[c] + bias[p]. bias may be null.
    // rows (n_pixels, stride) float32, columns (n_columns, stride), both padded with zeros;
    // out (n_columns, out_stride)
    void (*expand)(const float* rows, std::size_t stride, std::size_t n_pixels, const double* columns,
                   std::size_t n_columns, const double* bias, double* out, std::size_t out_stride);

    // gram (stride, stride) = sum_p root_p^2 b_p b_p', rows beyond n_columns without meaning, inner (stride,)
    // = sum_p root_p^2 r_p b_p rows b (n_pixels, stride = padded(n_columns)), scratch
    // (gram_scratch(n_columns),), both aligned to 64
    void (*gram)(const float* rows, std::size_t n_pixels, std::size_t n_columns, const float* root,
                 const float* r, double* gram, double* inner, float* scratch);

    // out (stride,) = sum_p v_p b_p: products in float32, v in units of its largest, sums of blocks in
    // double. b (n_pixels, stride)
    void (*weighted_rows)(const float* rows, std::size_t n_pixels, std::size_t stride, const double* v,
                          double* out);

    // out[p * out_step + c * out_stride] = row p of the band times column c. columns (n_columns, stride)
    void (*banded)(const Band& band, const double* columns, std::size_t stride, std::size_t n_columns,
                   double* out, std::size_t out_stride, std::size_t out_step);
    // The same of one column, and its derivatives by away: by_shift the first, by_extra half the second.
    void (*banded_derivatives)(const Band& band, const double* column, double* out, double* by_shift,
                               double* by_extra);
    // out += the transpose of the band times values (n_pixels,)
    void (*banded_adjoint)(const Band& band, const double* values, double* out);

    // out[d] = sum_e factor_e node[d + e] for d <= n_derivatives <= 2, factor_0 = 1; node (6, n), n a
    // multiple of panel, out (..., out_stride): see step_table.hpp
    void (*blend_steps)(const double* node, std::size_t n, const double* factor, int n_derivatives,
                        double* out, std::size_t out_stride);
    // weight, by_shift and by_extra (n,), the first 1 + n_derivatives of them, = or += scale, -scale and
    // scale / 2 times upper - lower and its derivatives (..., stride), n a multiple of 4
    void (*edge_difference)(const double* upper, std::size_t upper_stride, const double* lower,
                            std::size_t lower_stride, double scale, std::size_t n, int n_derivatives,
                            bool add, double* weight, double* by_shift, double* by_extra);

    // columns (n_pixels, 8) = df -> out (n_pixels, 8) = c df + f dc
    void (*line_derivatives)(const LineSums& line, const double* columns, double* out);
    // data, weight (n_pixels,) -> all that is not const. sums (6, n_pixels + 1) is written: of wd f, wd f t,
    // wf f, wf f t, wf f t^2 and pixels in use, of the pixels before each
    void (*solve_lines)(const LineSums& line, const double* data, const double* weight, double* sums);
    // out = D'v, D the matrix of line_derivatives. sums (5, n_pixels + 1) is written.
    void (*line_adjoint)(const LineSums& line, const double* v, double* sums, double* out);
    // out (8, 8) += sum_p w_p a_p b_p' with a, b (n_pixels, 8)
    void (*normal_eight)(const double* a, const double* b, const double* w, std::size_t n_pixels,
                         double* out);
    // out (8,) = sum_p v_p a_p; out (n_pixels,) += a_p . z; with a (n_pixels, 8)
    void (*sum_of_eights)(const double* a, const double* v, std::size_t n_pixels, double* out);
    void (*add_eights)(const double* a, const double* z, std::size_t n_pixels, double* out);
    // out (n,) = sum_i v_i rows_i, n a multiple of panel
    void (*sum_of_rows)(const float* const* rows, const float* v, std::size_t n_rows, std::size_t n,
                        float* out);

    // t(z) = E[max(z + n, 0)^3] with n a normal deviate, at z = first - k step, k < n; and as many of its
    // derivatives. out (1 + n_derivatives, stride), stride a multiple of panel
    void (*blurred_cubes)(const CubeTails& tails, double first, double step, std::size_t n, int n_derivatives,
                          double* out, std::size_t stride);

    // sum_p w_p (a_p - b_p)^2
    double (*weighted_square)(const double* w, const double* a, const double* b, std::size_t n);

    // sum_p a_p b_p
    double (*dot)(const double* a, const double* b, std::size_t n);
    double (*dot_mixed)(const float* a, const double* b, std::size_t n);
    float (*dot_single)(const float* a, const float* b, std::size_t n);
    // out[i] = sum_p t_p (w_p t_p / 2 - d_p) with t = templates - i step: chi2 / 2 of a template at n_lags
    // lags, less what all have
    void (*lags)(const float* half_w, const float* d, std::size_t n, const float* templates,
                 std::ptrdiff_t step, std::size_t n_lags, float* out);

    // Of the vectors y of n numbers in each panel the least y'Q y - 2 q.y, and which of the panel it is.
    // y (n_panels, n, panel), Q (n, n) symmetric, least and which (n_panels,)
    void (*least_of_panels)(const float* y, std::size_t n_panels, std::size_t n, const float* q_matrix,
                            const float* q, float* least, std::uint32_t* which);
};

// Those of simd_level().
const Kernels& kernels();

// weight (n_out, n_in) row-major -> packed as affine wants it, missing rows zero.
void pack(const float* weight, std::size_t n_out, std::size_t n_in, float* packed);

} // namespace maury::simd

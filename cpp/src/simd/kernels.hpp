// The hot loops: pointers and sizes only. Sums run in a fixed number of lanes, so that they vectorise and so
// that the result depends on nothing but the numbers.
#pragma once

#include <cstddef>

namespace maury::simd {

// Rows of a weight matrix are packed in panels of this many, which is also what padded() rounds up to.
constexpr std::size_t panel = 8;
constexpr std::size_t padded(std::size_t n) { return (n + panel - 1) / panel * panel; }

// weight (n_out, n_in) row-major -> packed (padded(n_out) / panel, n_in, panel), missing rows zero.
void pack(const double* weight, std::size_t n_out, std::size_t n_in, double* packed);

// The inverse of pack.
void unpack(const double* packed, std::size_t n_out, std::size_t n_in, double* weight);

// out[c] = weight in[c] + bias for each column c. bias may be null.
// in (n_columns, in_stride), out (n_columns, out_stride); writes n_out values a column.
void affine(const double* packed, const double* bias, std::size_t n_out, std::size_t n_in, const double* in,
            std::size_t in_stride, std::size_t n_columns, double* out, std::size_t out_stride);

// sum_p w_p (a_p - b_p)^2
double weighted_square(const double* w, const double* a, const double* b, std::size_t n);

// sum_p a_p b_p
double dot(const double* a, const double* b, std::size_t n);

// gram[i, j] += sum_p w_p b_pi b_pj and inner[i] += sum_p w_p r_p b_pi, for i and j < n_columns.
// basis: tiles of `panel` columns, each (n_pixels, panel), missing columns zero. gram (padded(n_columns),
// padded(n_columns)): only tiles on and above the diagonal are written. scratch: gram_scratch(n_columns).
void gram(const double* basis, std::size_t n_pixels, std::size_t n_columns, const double* w, const double* r,
          double* gram, double* inner, double* scratch);
std::size_t gram_scratch(std::size_t n_columns);

} // namespace maury::simd

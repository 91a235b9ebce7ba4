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

// out[c] = weight in[c] + bias for each column c. bias may be null.
// in (n_columns, in_stride), out (n_columns, out_stride); writes n_out values a column.
void affine(const double* packed, const double* bias, std::size_t n_out, std::size_t n_in, const double* in,
            std::size_t in_stride, std::size_t n_columns, double* out, std::size_t out_stride);

// sum_p w_p (a_p - b_p)^2
double weighted_square(const double* w, const double* a, const double* b, std::size_t n);

// sum_p a_p b_p
double dot(const double* a, const double* b, std::size_t n);

} // namespace maury::simd

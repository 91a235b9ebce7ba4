// Cholesky factor of a small symmetric matrix, in place.
#pragma once

#include <cmath>
#include <cstddef>

namespace maury {

// a (n, n) -> its lower factor, in the lower triangle. False when a pivot is below tol of its diagonal: the
// matrix is not positive definite to that precision.
inline bool cholesky_factor(double* a, std::size_t n, double tol) {
    for (std::size_t j = 0; j < n; ++j) {
        double pivot = a[j * n + j];
        const double smallest = tol * pivot;
        for (std::size_t k = 0; k < j; ++k)
            pivot -= a[j * n + k] * a[j * n + k];
        if (!(pivot > 0.0 && pivot > smallest && std::isfinite(pivot)))
            return false;
        pivot = std::sqrt(pivot);
        a[j * n + j] = pivot;
        for (std::size_t i = j + 1; i < n; ++i) {
            double sum = a[i * n + j];
            for (std::size_t k = 0; k < j; ++k)
                sum -= a[i * n + k] * a[j * n + k];
            a[i * n + j] = sum / pivot;
        }
    }
    return true;
}

// b (n,) -> the solution of (factor factor') x = b.
inline void cholesky_solve(const double* factor, std::size_t n, double* b) {
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t k = 0; k < i; ++k)
            b[i] -= factor[i * n + k] * b[k];
        b[i] /= factor[i * n + i];
    }
    for (std::size_t i = n; i-- > 0;) {
        for (std::size_t k = i + 1; k < n; ++k)
            b[i] -= factor[k * n + i] * b[k];
        b[i] /= factor[i * n + i];
    }
}

} // namespace maury

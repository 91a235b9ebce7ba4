// Eigenvalues and eigenvectors of a symmetric matrix.
#pragma once

#include <cstddef>
#include <vector>

namespace maury {

struct Eigen {
    std::vector<double> values;  // (n,) increasing
    std::vector<double> vectors; // (n, n), a row each
};

// a (n, n). Householder's tridiagonal form, then QL steps with implicit shifts (Golub & Van Loan, sec. 8.3).
Eigen symmetric_eigen(std::vector<double> a, std::size_t n);

} // namespace maury

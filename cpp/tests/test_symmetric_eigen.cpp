// Eigenvectors by their definition: A v = lambda v, orthonormal, eigenvalues in order.
#include "check.hpp"
#include "symmetric_eigen.hpp"

#include <algorithm>
#include <random>

int main() {
    std::mt19937_64 random(5);
    std::normal_distribution<double> normal;
    for (const std::size_t n : {1u, 2u, 3u, 50u}) {
        std::vector<double> a(n * n);
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j <= i; ++j)
                a[i * n + j] = a[j * n + i] = i % 7 == 3 ? 0.0 : normal(random);
        const maury::Eigen found = maury::symmetric_eigen(a, n);
        double worst = 0.0;
        for (std::size_t k = 0; k < n; ++k)
            for (std::size_t l = 0; l < n; ++l) {
                double product = 0.0, overlap = 0.0; // A v_k . v_l, v_k . v_l
                for (std::size_t i = 0; i < n; ++i) {
                    overlap += found.vectors[k * n + i] * found.vectors[l * n + i];
                    for (std::size_t j = 0; j < n; ++j)
                        product += a[i * n + j] * found.vectors[k * n + j] * found.vectors[l * n + i];
                }
                worst = std::max({worst, std::abs(product - (k == l ? found.values[k] : 0.0)),
                                  std::abs(overlap - (k == l ? 1.0 : 0.0))});
            }
        CHECK_NEAR(worst, 0.0, 1e-12);
        CHECK(std::is_sorted(found.values.begin(), found.values.end()));
    }
    return check::report();
}

// Outliers: pixels that a fit leaves out.
#pragma once

#include <cstddef>
#include <vector>

namespace maury {

// Pixels with |data_p - fitted_p| sqrt(w_p) > limit max(1, width), the robust width of those numbers: 1.4826
// times their median. A spectrum that fits badly all over so keeps most of its pixels.
class Clip {
  public:
    void find(const double* data, const double* fitted, const double* weight, std::size_t n, double limit);
    const std::vector<std::size_t>& pixels() const { return pixels_; }
    double chi2() const { return chi2_; } // that they had

  private:
    double median_pull(const double* weight, std::size_t n_used);

    std::vector<double> squares_, used_;
    std::vector<std::size_t> pixels_;
    double chi2_ = 0.0;
};

} // namespace maury

// The pixels of the spectrum that is being fitted.
#pragma once

#include "maury/compress.hpp"

#include <cstddef>
#include <vector>

namespace maury {

// 1 / (1 / ivar + scatter^2), for ivar above 0.
inline double weight_of(double ivar, double scatter) {
    return scatter == 0.0 ? ivar : 1.0 / (1.0 / ivar + scatter * scatter);
}

// Pixels that do not count hold 0 in all three arrays.
class Spectrum {
  public:
    // w_p = 1 / (1 / ivar_p + scatter_p^2), or none if ivar_p <= 0 or any of flux_p, ivar_p, scatter_p is not
    // finite. scatter may be null. Returns the number of usable pixels.
    template <typename Number>
    std::size_t set(std::size_t n_pixels, const Number* flux, const Number* ivar, const double* scatter);

    // Leaves out pixels with |flux_p - model_p| sqrt(w_p) > limit max(1, width), the robust width of those
    // numbers: 1.4826 times their median. A spectrum that fits badly all over so keeps most of its pixels.
    struct Clipped {
        std::size_t n;
        double chi2; // that they had
    };
    Clipped clip(const double* model, double limit);
    const std::vector<LeftOut>& clipped() const { return clipped_; } // by the last clip

    std::size_t size() const { return flux_.size(); }
    const double* flux() const { return flux_.data(); }
    const double* ivar() const { return ivar_.data(); }
    const double* weight() const { return weight_.data(); }

  private:
    double median_pull(std::size_t n);

    std::vector<double> flux_, ivar_, weight_, squares_, used_;
    std::vector<LeftOut> clipped_;
};

extern template std::size_t Spectrum::set<float>(std::size_t, const float*, const float*, const double*);
extern template std::size_t Spectrum::set<double>(std::size_t, const double*, const double*, const double*);

} // namespace maury

// Two fits of a spectrum: the first tells what star it is, and so what its running median should have been.
#include "fitter.hpp"

#include <algorithm>

namespace maury {

template <typename Number> Status Fitter<Number>::measure_twice(std::size_t i, const StopFlag& stop) {
    const std::int32_t usable = output_.n_pixels[i];
    const Status status = measure(i, false, stop);
    if (status == Status::NON_FINITE || status == Status::TOO_FEW_PIXELS)
        return status;
    renormalise(i);
    output_.n_pixels[i] = usable;
    if (output_.n_clipped)
        output_.n_clipped[i] = 0;
    rounds_ = most_rounds;
    near_start_ = best_;
    near_ = true;
    const Status second = measure(i, true, stop);
    near_ = false;
    return second;
}

// The star of the first fit decides; see Medians.
template <typename Number> void Fitter<Number>::renormalise(std::size_t i) {
    double *flux = output_.flux + i * n_pixels_, *ivar = output_.ivar + i * n_pixels_;
    const double* ratio = ratio_->of(i, *view_, ivar, point_.coefficients(best_.data()));
    for (std::size_t p = 0; p < n_pixels_; ++p) {
        flux[p] *= ratio[p];
        ivar[p] /= ratio[p] * ratio[p];
    }
    const std::size_t first = view_->first();
    spectrum_.set(view_->n(), flux + first, ivar + first, view_->scatter());
}

template class Fitter<float>;
template class Fitter<double>;

} // namespace maury

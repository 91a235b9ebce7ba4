// Running median: the continuum estimate that normalises a spectrum (Imig et al. 2021, sec. 2.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

namespace maury {

// Memory of running_median, kept from one spectrum to the next; one a thread.
struct MedianWorkspace {
    std::vector<std::uint64_t> words;
    std::vector<std::uint32_t> numbers;
    std::tuple<std::vector<float>, std::vector<double>> values;
};

// out[i] = median of the usable flux[i - half ... i + half]; the window ends at the ends of the spectrum.
//
// flux  (P,)  any unit; NaN and infinity count as masked
// mask  (P,)  non-zero = bad, takes no part; null = none. A bad pixel still gets the median of its window.
// out   (P,)  same unit; NaN where the window holds no usable pixel; must not overlap flux
//
// With an even count the median is the mean of the two middle values; -0 comes before 0.
template <typename T>
void running_median(const T* flux, const std::uint8_t* mask, T* out, std::size_t n_pixels, std::size_t half,
                    MedianWorkspace& workspace);

template <typename T>
void running_median(const T* flux, const std::uint8_t* mask, T* out, std::size_t n_pixels, std::size_t half) {
    MedianWorkspace workspace;
    running_median(flux, mask, out, n_pixels, half, workspace);
}

extern template void running_median<float>(const float*, const std::uint8_t*, float*, std::size_t,
                                           std::size_t, MedianWorkspace&);
extern template void running_median<double>(const double*, const std::uint8_t*, double*, std::size_t,
                                            std::size_t, MedianWorkspace&);

} // namespace maury

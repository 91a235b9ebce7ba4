#include "candidates.hpp"
#include "maury/fit.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

namespace maury {

FitPlan::FitPlan(const Emulator& emulator, const double* lower, const double* upper, const double* candidates,
                 std::size_t n_candidates, int threads, const std::function<void(std::size_t)>& wake)
    : emulator_(emulator), lower_(lower, lower + emulator.n_labels()),
      upper_(upper, upper + emulator.n_labels()), lower_scaled_(emulator.n_labels()),
      upper_scaled_(emulator.n_labels()) {
    const std::size_t n = emulator.n_labels();
    emulator.to_scaled(lower, lower_scaled_.data());
    emulator.to_scaled(upper, upper_scaled_.data());
    for (std::size_t l = 0; l < n; ++l)
        if (!(std::isfinite(lower_scaled_[l]) && std::isfinite(upper_scaled_[l]) &&
              lower_scaled_[l] <= upper_scaled_[l]))
            throw std::invalid_argument("lower, upper: label " + std::to_string(l) +
                                        " needs finite lower <= upper, both positive for a log10 transform");
    std::vector<double> x(n), inside;
    for (std::size_t m = 0; m < n_candidates; ++m) {
        emulator.to_scaled(candidates + m * n, x.data());
        bool good = true;
        for (std::size_t l = 0; l < n; ++l)
            good = good && x[l] >= lower_scaled_[l] && x[l] <= upper_scaled_[l];
        if (good)
            inside.insert(inside.end(), x.begin(), x.end());
    }
    if (!inside.empty())
        candidates_ = std::make_unique<const Candidates>(emulator, inside, threads, wake);
}

FitPlan::~FitPlan() = default;

} // namespace maury

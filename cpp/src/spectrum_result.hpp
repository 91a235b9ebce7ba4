// One spectrum from its arrays to a Result: fit, errors, flags. With the memory of one thread.
#pragma once

#include "maury/maury.hpp"
#include "model_state.hpp"
#include "quality.hpp"
#include "residuals.hpp"
#include "spectrum_fit.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace maury {

class SpectrumResult {
  public:
    SpectrumResult(const ModelState& model, const Plan& plan, const Options& options);
    SpectrumResult(const SpectrumResult&) = delete; // the fit looks at spectra_ and results_
    SpectrumResult& operator=(const SpectrumResult&) = delete;

    void operator()(const Spectrum& spectrum, Result& result, const StopFlag& stop);

  private:
    void take(const Spectrum& spectrum);
    void make_room(Result& result);
    void set_numbers(const Spectrum& spectrum, const ResidualSigns& residuals, Result& result);
    void set_errors(Result& result);
    void set_flags(const Spectrum& spectrum, const ResidualSigns& residuals, Result& result);

    const ModelState& model_;
    const Plan& plan_;
    const Options& options_;
    Spectra spectra_;
    Results results_{};
    std::unique_ptr<SpectrumFit> fit_;
    std::size_t most_given_ = 0; // starts that fit_ has memory for
    Residuals residuals_;

    bool moving_ = false, moving_arms_ = false, guessed_ = false, sharper_ = false;
    double rv_ = 0.0;
    std::int32_t n_pixels_ = 0, n_clipped_ = 0, status_ = 0, n_evaluations_ = 0, n_starts_ = 0, n_agree_ = 0;
    std::vector<double> wavelength_, flux_, ivar_, lsf_, resolution_, covariance_;
    std::vector<char> bad_;
    std::unique_ptr<bool[]> at_bound_;
};

} // namespace maury

#include "emulator_checks.hpp"
#include "maury/maury.hpp"
#include "maury/parallel.hpp"
#include "spectrum_checks.hpp"
#include "spectrum_result.hpp"
#include "starts.hpp"

#include <algorithm>
#include <cmath>

namespace maury {
namespace {

void check_options(const Options& options) {
    require(options.n_starts >= 1, "n_starts: expected 1 or more, got " + std::to_string(options.n_starts));
    require(options.max_evaluations >= 1, "max_evaluations: expected 1 or more");
    require(options.clip >= 0.0, "clip: expected a number of sigma, or 0 for no clipping");
    require(options.max_rv > 0.0 && options.max_rv < 0.5 * speed_of_light,
            "max_rv: expected km/s above 0, got " + std::to_string(options.max_rv));
    require(options.resolution >= 0.0 && options.fwhm >= 0.0 && std::isfinite(options.resolution) &&
                std::isfinite(options.fwhm),
            "resolution, fwhm: expected a number above 0, or 0 for none");
    require(options.resolution == 0.0 || options.fwhm == 0.0, "resolution, fwhm: pass one of them, got both");
}

struct Box {
    std::vector<double> lower, upper;
};

Box box_of(const ModelParts& parts, const Options& options) {
    const std::size_t n = parts.labels.size();
    Box box{parts.lower, parts.upper};
    if (!options.lower.empty() || !options.upper.empty())
        box = {options.lower, options.upper};
    require(box.lower.size() == n && box.upper.size() == n,
            "lower, upper: expected one for each of " + std::to_string(n) + " labels");
    for (std::size_t l = 0; l < n; ++l) {
        require(std::isfinite(box.lower[l]) && std::isfinite(box.upper[l]) && box.lower[l] < box.upper[l],
                "lower, upper: " + parts.labels[l] + " requires lower < upper, both finite");
        require(parts.transforms[l] != "log10" || box.lower[l] > 0.0,
                "lower, upper: the emulator uses the logarithm of " + parts.labels[l] +
                    ", which requires lower > 0");
    }
    for (const auto& [name, value] : options.fixed) {
        const auto found = std::find(parts.labels.begin(), parts.labels.end(), name);
        require(found != parts.labels.end(), "fixed: unknown label " + name);
        const auto l = static_cast<std::size_t>(found - parts.labels.begin());
        require(value >= box.lower[l] && value <= box.upper[l],
                "fixed: expected " + name + " inside its bounds, got " + std::to_string(value));
        box.lower[l] = box.upper[l] = value;
    }
    return box;
}

} // namespace

struct Fit::Inside {
    Inside(std::shared_ptr<const ModelState> state, const Options& given)
        : model(std::move(state)), options(given) {
        check_options(options);
        options.n_starts = std::min(options.n_starts, static_cast<int>(n_candidates));
        const bool moves = options.velocity == Options::Velocity::fit;
        const Box box = box_of(model->parts, options);
        plan = model->plan(box.lower, box.upper, moves);
        require(plan->grid().even() || !(moves || options.broadening || options.arm_rv.value_or(false)),
                "velocity: the wavelengths of this emulator are not even in log10, so velocities and "
                "broadening cannot be fitted; give velocities in the spectra, and Options::Velocity::given");
        work = std::make_unique<SpectrumResult>(*model, *plan, options);
    }

    const std::shared_ptr<const ModelState> model;
    Options options;
    std::shared_ptr<const Plan> plan;
    std::unique_ptr<SpectrumResult> work;
};

Fit::Fit(const Model& model, const Options& options)
    : inside_(std::make_unique<Inside>(model.state_, options)) {}
Fit::~Fit() = default;
Fit::Fit(Fit&&) noexcept = default;
Fit& Fit::operator=(Fit&&) noexcept = default;

void Fit::operator()(const Spectrum& spectrum, Result& result) {
    (*inside_->work)(spectrum, result, StopFlag());
}

Result Fit::operator()(const Spectrum& spectrum) {
    Result result;
    (*this)(spectrum, result);
    return result;
}

Result Fit::operator()(View<double> wavelength, View<double> flux, View<double> ivar, View<double> lsf) {
    Spectrum spectrum;
    spectrum.wavelength = wavelength;
    spectrum.flux = flux;
    spectrum.ivar = ivar;
    spectrum.lsf = lsf;
    return (*this)(spectrum);
}

std::vector<Result> Fit::many(const std::vector<Spectrum>& spectra, int threads,
                              const std::function<void(std::size_t)>& wake) const {
    std::vector<Result> results(spectra.size());
    for (const Spectrum& spectrum : spectra)
        check_sizes(spectrum, inside_->model->parts.labels.size());
    std::vector<std::unique_ptr<SpectrumResult>> workers;
    for (std::size_t i = 0; i < worker_count(spectra.size(), threads); ++i)
        workers.push_back(
            std::make_unique<SpectrumResult>(*inside_->model, *inside_->plan, inside_->options));
    parallel_for(
        spectra.size(), threads,
        [&](std::size_t worker, std::size_t i, const StopFlag& stop) {
            (*workers[worker])(spectra[i], results[i], stop);
        },
        [&](std::size_t done) {
            if (wake)
                wake(done);
        });
    return results;
}

} // namespace maury

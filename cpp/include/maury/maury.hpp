// The front door: what a pipeline in C++ needs, and all of it that stays as it is from version to version.
//
//     auto model = maury::Model::load("default.onnx");
//     maury::Fit fit(model);
//     maury::Result r = fit(wavelength, flux, ivar, lsf);
#pragma once

#include "maury/codes.h"
#include "maury/export.h"
#include "maury/model_parts.hpp"
#include "maury/options.hpp"
#include "maury/regions.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace maury {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

// A file is not a valid emulator; the text names it, and the first thing wrong.
class MAURY_API EmulatorFileError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// An array of somebody else, who keeps it while it is looked at.
template <typename T> struct View {
    const T* data = nullptr;
    std::size_t size = 0;
    View() = default;
    View(const T* first, std::size_t n) : data(first), size(n) {}
    View(const std::vector<T>& values) : data(values.data()), size(values.size()) {}
};

// One spectrum of P pixels, as observed. Only the first three are needed.
struct Spectrum {
    View<double> wavelength;  // (P,) vacuum Angstrom, increasing within an arm; NaN only at the end
    View<double> flux, ivar;  // (P,) and its inverse variance; 0 = no information
    View<double> lsf;         // (P,) instrument, Gaussian sigma [Angstrom]; NaN, or empty = not known
    View<std::uint8_t> mask;  // (P,) 0 = good
    View<std::int32_t> arm;   // (P,) arm of the spectrograph, 0 to 63; the pixels of one are contiguous
    View<double> resolution;  // (P, D) instead of lsf, D odd: what pixel p sees of p + d - D / 2
    View<double> starts;      // (S, L) labels to start from; empty: the search finds them
    double rv = unknown;      // c z [km/s]; 0 = at rest, and no velocity is fitted
    double snr = unknown;     // per pixel, where a file says it
    std::int64_t quality = 0; // bits of the survey; see Options::reject
    View<double> guess;       // (L,) labels that are tried besides, as from photometry; NaN = not known
    // A Gaussian prior on the labels: mean (L,), NaN = none on that one; the inverse of the covariance of the
    // others, (L, L), 0 elsewhere. It is added to chi2.
    View<double> prior_mean, prior_precision;
};

enum class Start { search, given, guess };

// NaN = there is none. L labels, P pixels, A arms.
struct Result {
    std::vector<double> labels;                              // (L,) physical units
    std::vector<double> errors, formal_errors, model_errors; // (L,) total; of the noise; of the model
    std::vector<double> covariance, formal_covariance;       // (L, L) total; of the fit
    double chi2 = unknown, chi2_noise = unknown;             // minimised; of ivar alone
    double rchi2 = unknown, rchi2_noise = unknown;           // divided by n_pixels - L
    double rv = unknown, rv_err = unknown;                   // [km/s]; the error where it was fitted
    std::vector<double> arm_rv;                              // (A - 1) less that of the first arm [km/s]
    double broadening = unknown, broadening_err = unknown;   // sigma [km/s]; negative = narrower
    double snr = unknown, training_distance = unknown;       // above 1 = outside the training set
    std::vector<double> model, continuum;                    // (P,) best fit, which includes the continuum
    std::vector<double> weight;                              // (P,) of the fit; 0 = excluded, or an outlier
    std::vector<double> flux, ivar;                          // (P,) that were fitted: blurred where sharper
    int n_pixels = 0, n_clipped = 0, n_starts = 0, n_agree = 0, n_evaluations = 0;
    Status status = Status::NON_FINITE;
    bool converged = false;
    Start start = Start::search;
    std::uint32_t flags = 0;     // bits of maury::flag
    std::string problem;         // why there is no spectrum; usually empty
    double chi2_prior = unknown; // of the prior, which chi2 does not include
    bool valid() const { return (flags & flag::do_not_use) == 0; }
};

MAURY_API const char* name_of(Status status);                       // as in a catalogue: "max evaluations"
MAURY_API const char* meaning_of(Status status);                    // one line
MAURY_API const char* flag_name(int bit);                           // in lower case: "low snr"
MAURY_API const char* flag_meaning(int bit);                        // all four: null for no status, no flag
MAURY_API std::vector<std::string> flag_names(std::uint32_t flags); // of the bits that are set
MAURY_API const char* version();

struct ModelState;

// An emulator, ready for use. It never changes; copies are one and the same, and any thread may use them.
class MAURY_API Model {
  public:
    // An .onnx file of maury, or its bytes, with a name for messages. Throws EmulatorFileError; or
    // std::runtime_error where this build reads no files (see docs/cpp.md).
    static Model load(const std::string& path);
    static Model load(const void* bytes, std::size_t size, const std::string& name);
    // Throws std::invalid_argument, naming the part.
    static Model from_layers(ModelParts parts);

    const ModelParts& parts() const; // nothing of them is empty that has a default
    std::size_t n_labels() const;
    std::size_t n_pixels() const;
    // labels (L,) -> flux (P,), normalised; -> errors (L,) of the model. NaN for labels that are not finite,
    // or not positive though scaled by log10.
    std::vector<double> flux(const std::vector<double>& labels) const;
    std::vector<double> error(const std::vector<double>& labels) const;
    // Whether this build can load files.
    static bool reads_files();

  private:
    friend class Fit;
    explicit Model(std::shared_ptr<const ModelState> state);
    std::shared_ptr<const ModelState> state_;
};

// Fits spectra, one after another; one for each thread. Making one is dear the first time, and cheap for a
// model and bounds that another has been made for.
class MAURY_API Fit {
  public:
    // Throws std::invalid_argument, naming the option.
    explicit Fit(const Model& model, const Options& options = {});
    ~Fit();
    Fit(Fit&&) noexcept;
    Fit& operator=(Fit&&) noexcept;

    // A bad spectrum is a result with flags, never an exception. Throws std::invalid_argument for arrays of
    // different lengths. The one with `result` uses its memory again.
    Result operator()(const Spectrum& spectrum);
    void operator()(const Spectrum& spectrum, Result& result);
    Result operator()(View<double> wavelength, View<double> flux, View<double> ivar, View<double> lsf = {});

    // Each result is that of the above, bit for bit. threads 0 = every core. wake(done) is called 20 times a
    // second in the calling thread; what it throws ends the work, and is thrown again.
    std::vector<Result> many(const std::vector<Spectrum>& spectra, int threads = 0,
                             const std::function<void(std::size_t)>& wake = {}) const;

  private:
    struct Inside;
    std::unique_ptr<Inside> inside_;
};

} // namespace maury

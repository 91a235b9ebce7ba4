// maury.h by maury.hpp. No exception leaves this file.
#include "maury/maury.h"

#include "maury/maury.hpp"
#include "option_text.hpp"

#include <algorithm>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

struct maury_model {
    maury::Model model;
};

struct maury_fit {
    maury::Fit fit;
    std::size_t n_labels;
    std::vector<maury::Result> results;
};

namespace {

thread_local std::string last_error;

maury_code failed(maury_code code, const char* text) {
    try {
        last_error = text;
    } catch (...) {
        last_error.clear();
    }
    return code;
}

template <typename Do> maury_code guarded(const Do& work) {
    try {
        work();
        return MAURY_OK;
    } catch (const maury::EmulatorFileError& error) {
        return failed(MAURY_BAD_FILE, error.what());
    } catch (const std::invalid_argument& error) {
        return failed(MAURY_BAD_ARGUMENT, error.what());
    } catch (const std::bad_alloc&) {
        return failed(MAURY_NO_MEMORY, "there is not enough memory");
    } catch (const std::exception& error) {
        return failed(MAURY_FAILED, error.what());
    } catch (...) {
        return failed(MAURY_FAILED, "an unknown error");
    }
}

template <typename T> T& needed(T* pointer, const char* name) {
    if (!pointer)
        throw std::invalid_argument(std::string(name) + ": expected a pointer, got NULL");
    return *pointer;
}

using OfLabels = std::vector<double> (maury::Model::*)(const std::vector<double>&) const;

maury_code computed(const maury_model* model, const double* labels, OfLabels what, double* to,
                    const char* name) {
    return guarded([&] {
        const maury::Model& own = needed(model, "model").model;
        const double* from = &needed(labels, "labels");
        const std::vector<double> found = (own.*what)({from, from + own.n_labels()});
        std::copy(found.begin(), found.end(), &needed(to, name));
    });
}

template <typename T> maury::View<T> view(const T* data, std::size_t size) {
    return data ? maury::View<T>(data, size) : maury::View<T>();
}

maury::Spectrum spectrum_from(const maury_spectrum& given, std::size_t n_labels) {
    const std::size_t n = given.n_pixels;
    maury::Spectrum spectrum;
    spectrum.wavelength = {&needed(given.wavelength, "wavelength"), n};
    spectrum.flux = {&needed(given.flux, "flux"), n};
    spectrum.ivar = {&needed(given.ivar, "ivar"), n};
    spectrum.lsf = view(given.lsf, n);
    spectrum.mask = view(given.mask, n);
    spectrum.arm = view(given.arm, n);
    spectrum.resolution = view(given.resolution, n * given.n_neighbours);
    spectrum.starts = view(given.starts, given.n_starts * n_labels);
    spectrum.rv = given.rv;
    spectrum.snr = given.snr;
    spectrum.quality = given.quality;
    return spectrum;
}

maury_result result_of(const maury::Result& r) {
    maury_result out{};
    out.n_labels = r.labels.size();
    out.n_arms = r.arm_rv.size() + 1;
    out.labels = r.labels.data();
    out.errors = r.errors.data();
    out.formal_errors = r.formal_errors.data();
    out.model_errors = r.model_errors.data();
    out.covariance = r.covariance.data();
    out.formal_covariance = r.formal_covariance.data();
    out.arm_rv = r.arm_rv.data();
    out.model = r.model.data();
    out.continuum = r.continuum.data();
    out.weight = r.weight.data();
    out.fitted_flux = r.flux.data();
    out.fitted_ivar = r.ivar.data();
    out.chi2 = r.chi2;
    out.chi2_noise = r.chi2_noise;
    out.rchi2 = r.rchi2;
    out.rchi2_noise = r.rchi2_noise;
    out.rv = r.rv;
    out.rv_err = r.rv_err;
    out.broadening = r.broadening;
    out.broadening_err = r.broadening_err;
    out.snr = r.snr;
    out.training_distance = r.training_distance;
    out.n_pixels = r.n_pixels;
    out.n_clipped = r.n_clipped;
    out.n_starts = r.n_starts;
    out.n_agree = r.n_agree;
    out.n_evaluations = r.n_evaluations;
    out.status = static_cast<std::int32_t>(r.status);
    out.converged = r.converged;
    out.start = r.start == maury::Start::given;
    out.flags = r.flags;
    out.valid = r.valid();
    out.problem = r.problem.c_str();
    return out;
}

} // namespace

const char* maury_version(void) { return maury::version(); }
int maury_reads_files(void) { return maury::Model::reads_files(); }
const char* maury_error(void) { return last_error.c_str(); }

maury_code maury_model_load(const char* path, maury_model** model) {
    return guarded([&] {
        needed(model, "model") = nullptr;
        *model = new maury_model{maury::Model::load(&needed(path, "path"))};
    });
}

maury_code maury_model_from_bytes(const void* bytes, size_t size, const char* name, maury_model** model) {
    return guarded([&] {
        needed(model, "model") = nullptr;
        needed(static_cast<const char*>(bytes), "bytes");
        *model = new maury_model{maury::Model::load(bytes, size, name ? name : "an emulator")};
    });
}

void maury_model_free(maury_model* model) { delete model; }
size_t maury_model_n_labels(const maury_model* model) { return model ? model->model.n_labels() : 0; }
size_t maury_model_n_pixels(const maury_model* model) { return model ? model->model.n_pixels() : 0; }

const char* maury_model_label(const maury_model* model, size_t i) {
    return i < maury_model_n_labels(model) ? model->model.parts().labels[i].c_str() : nullptr;
}

const double* maury_model_wavelength(const maury_model* model) {
    return model ? model->model.parts().wavelength.data() : nullptr;
}

maury_code maury_model_flux(const maury_model* model, const double* labels, double* flux) {
    return computed(model, labels, &maury::Model::flux, flux, "flux");
}

maury_code maury_model_error(const maury_model* model, const double* labels, double* error) {
    return computed(model, labels, &maury::Model::error, error, "error");
}

maury_code maury_fit_new(const maury_model* model, const char* options, maury_fit** fit) {
    return guarded([&] {
        needed(fit, "fit") = nullptr;
        const maury::Model& own = needed(model, "model").model;
        *fit = new maury_fit{maury::Fit(own, maury::options_of(options ? options : "")), own.n_labels(), {}};
    });
}

void maury_fit_free(maury_fit* fit) { delete fit; }

maury_spectrum maury_spectrum_of(size_t n_pixels, const double* wavelength, const double* flux,
                                 const double* ivar, const double* lsf) {
    maury_spectrum spectrum{};
    spectrum.n_pixels = n_pixels;
    spectrum.wavelength = wavelength;
    spectrum.flux = flux;
    spectrum.ivar = ivar;
    spectrum.lsf = lsf;
    spectrum.rv = spectrum.snr = maury::unknown;
    return spectrum;
}

maury_code maury_execute(maury_fit* fit, const maury_spectrum* spectrum, maury_result* result) {
    return guarded([&] {
        maury_fit& own = needed(fit, "fit");
        maury_result& out = needed(result, "result");
        own.results.resize(1);
        own.fit(spectrum_from(needed(spectrum, "spectrum"), own.n_labels), own.results[0]);
        out = result_of(own.results[0]);
    });
}

maury_code maury_execute_many(maury_fit* fit, size_t n, const maury_spectrum* spectra, int threads,
                              maury_result* results) {
    return guarded([&] {
        maury_fit& own = needed(fit, "fit");
        std::vector<maury::Spectrum> given;
        for (size_t i = 0; i < n; ++i)
            given.push_back(spectrum_from(*(&needed(spectra, "spectra") + i), own.n_labels));
        own.results = own.fit.many(given, threads);
        for (size_t i = 0; i < n; ++i)
            *(&needed(results, "results") + i) = result_of(own.results[i]);
    });
}

const char* maury_status_name(int32_t status) { return maury::name_of(static_cast<maury::Status>(status)); }

const char* maury_status_meaning(int32_t status) {
    return maury::meaning_of(static_cast<maury::Status>(status));
}

const char* maury_flag_name(int bit) { return maury::flag_name(bit); }
const char* maury_flag_meaning(int bit) { return maury::flag_meaning(bit); }

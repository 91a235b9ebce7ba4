/* The front door in C, and for every language that calls C: the same as maury.hpp.
 *
 *     maury_model* model;
 *     maury_fit* fit;
 *     maury_result result;
 *     if (maury_model_load("default.onnx", &model) || maury_fit_new(model, NULL, &fit)) {
 *         fprintf(stderr, "%s\n", maury_error());
 *         exit(1);
 *     }
 *     maury_spectrum spectrum = maury_spectrum_of(n, wavelength, flux, ivar, lsf);
 *     maury_execute(fit, &spectrum, &result);
 *     printf("%g +- %g\n", result.labels[0], result.errors[0]);
 *
 * Functions that can fail return a maury_code, and leave its text for maury_error(). Unknown numbers are NaN.
 */
#ifndef MAURY_MAURY_H
#define MAURY_MAURY_H

#include "maury/codes.h"
#include "maury/export.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum maury_code {
    MAURY_OK = 0,
    MAURY_BAD_ARGUMENT = 1, /* a null pointer, a wrong length, an option that makes no sense */
    MAURY_BAD_FILE = 2,     /* not a valid emulator */
    MAURY_NO_MEMORY = 3,
    MAURY_FAILED = 4 /* anything else */
} maury_code;

typedef struct maury_model maury_model; /* never changes: any number of threads may use one */
typedef struct maury_fit maury_fit;     /* one for each thread */

/* P pixels, L labels. Only wavelength, flux and ivar are needed; NULL = not known. */
typedef struct maury_spectrum {
    size_t n_pixels;          /* P */
    const double* wavelength; /* (P,) as observed, vacuum Angstrom, increasing within an arm */
    const double* flux;       /* (P,) */
    const double* ivar;       /* (P,) inverse variance; 0 = no information */
    const double* lsf;        /* (P,) instrument, Gaussian sigma [Angstrom] */
    const uint8_t* mask;      /* (P,) 0 = good */
    const int32_t* arm;       /* (P,) arm of the spectrograph, 0 to 63 */
    size_t n_neighbours;      /* D, odd; 0 without resolution */
    const double* resolution; /* (P, D) instead of lsf: what pixel p sees of p + d - D / 2 */
    size_t n_starts;          /* S; 0 = the search finds them */
    const double* starts;     /* (S, L) labels to start from */
    double rv;                /* c z [km/s]; 0 = at rest, and no velocity is fitted */
    double snr;               /* per pixel, where a file says it */
    int64_t quality;          /* bits of the survey */
} maury_spectrum;

/* L labels, P pixels, A arms. The arrays belong to the fit, until its next call. */
typedef struct maury_result {
    size_t n_labels, n_arms;
    const double* labels;                                /* (L,) */
    const double *errors, *formal_errors, *model_errors; /* (L,) total; of the noise; of the model */
    const double *covariance, *formal_covariance;        /* (L, L) */
    const double* arm_rv;                                /* (A - 1) less that of the first [km/s] */
    const double *model, *continuum, *weight, *fitted_flux, *fitted_ivar; /* (P,) */
    double chi2, chi2_noise, rchi2, rchi2_noise;
    double rv, rv_err, broadening, broadening_err; /* [km/s] */
    double snr, training_distance;
    int32_t n_pixels, n_clipped, n_starts, n_agree, n_evaluations;
    int32_t status;      /* see maury_status_name */
    int32_t converged;   /* 0 or 1 */
    int32_t start;       /* 0 = found by the search, 1 = given */
    uint32_t flags;      /* bits; see maury_flag_name */
    int32_t valid;       /* 0 or 1: no flag of those that forbid its use */
    const char* problem; /* why there is no spectrum; usually "" */
} maury_result;

/* "0.1.0"; whether this build loads files; the text of the last error of this thread. */
MAURY_API const char* maury_version(void);
MAURY_API int maury_reads_files(void);
MAURY_API const char* maury_error(void);

MAURY_API maury_code maury_model_load(const char* path, maury_model** model);
MAURY_API maury_code maury_model_from_bytes(const void* bytes, size_t size, const char* name,
                                            maury_model** model);
MAURY_API void maury_model_free(maury_model* model); /* also while fits of it are in use; NULL does nothing */
MAURY_API size_t maury_model_n_labels(const maury_model* model);
MAURY_API size_t maury_model_n_pixels(const maury_model* model);
MAURY_API const char* maury_model_label(const maury_model* model, size_t i); /* "teff"; NULL beyond */
MAURY_API const double* maury_model_wavelength(const maury_model* model);    /* (P,) */
MAURY_API maury_code maury_model_flux(const maury_model* model, const double* labels, double* flux);
MAURY_API maury_code maury_model_error(const maury_model* model, const double* labels, double* error);

/* options: NULL, or text as in "velocity=given max_rv=500 leave_out=telluric,sodium fixed=logg:4.4". Names
 * are those of Options; text is kept from version to version, and needs no structure to do so. */
MAURY_API maury_code maury_fit_new(const maury_model* model, const char* options, maury_fit** fit);
MAURY_API void maury_fit_free(maury_fit* fit);

/* All fields not known. */
MAURY_API maury_spectrum maury_spectrum_of(size_t n_pixels, const double* wavelength, const double* flux,
                                           const double* ivar, const double* lsf);

/* A bad spectrum is a result with flags, not an error. */
MAURY_API maury_code maury_execute(maury_fit* fit, const maury_spectrum* spectrum, maury_result* result);
/* n spectra with threads; 0 = every core. results (n); their arrays belong to the fit, until its next call.
 */
MAURY_API maury_code maury_execute_many(maury_fit* fit, size_t n, const maury_spectrum* spectra, int threads,
                                        maury_result* results);

MAURY_API const char* maury_status_name(int32_t status);    /* "max evaluations"; NULL for no status */
MAURY_API const char* maury_status_meaning(int32_t status); /* one line */
MAURY_API const char* maury_flag_name(int bit);             /* "low snr"; NULL for no flag */
MAURY_API const char* maury_flag_meaning(int bit);

#ifdef __cplusplus
}
#endif

#endif

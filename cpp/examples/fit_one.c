/* Fits one spectrum, in C: fit_one_c MODEL.onnx SPECTRUM.txt; see spectra_text.hpp for the format. */
#include <maury/maury.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { most_pixels = 100000 };

static double wavelength[most_pixels], flux[most_pixels], ivar[most_pixels], lsf[most_pixels];
static int32_t arm[most_pixels];

static maury_spectrum read_spectrum(const char* path) {
    FILE* file = fopen(path, "r");
    char line[512], name[32], value[32];
    size_t n = 0;
    int columns = 0;
    maury_spectrum spectrum = maury_spectrum_of(0, wavelength, flux, ivar, lsf);
    if (!file) {
        fprintf(stderr, "%s: it cannot be read\n", path);
        exit(1);
    }
    while (n < most_pixels && fgets(line, sizeof line, file)) {
        if (sscanf(line, "# %31s %31s", name, value) == 2) {
            if (strcmp(name, "rv") == 0)
                spectrum.rv = strtod(value, NULL);
            if (strcmp(name, "snr") == 0)
                spectrum.snr = strtod(value, NULL);
            if (strcmp(name, "quality") == 0)
                spectrum.quality = strtoll(value, NULL, 10);
            continue;
        }
        columns = sscanf(line, "%lf %lf %lf %lf %d", &wavelength[n], &flux[n], &ivar[n], &lsf[n], &arm[n]);
        if (columns < 4)
            break;
        ++n;
        if (columns == 5)
            spectrum.arm = arm;
    }
    fclose(file);
    spectrum.n_pixels = n;
    return spectrum;
}

int main(int argc, char** argv) {
    maury_model* model = NULL;
    maury_fit* fit = NULL;
    maury_result result;
    maury_spectrum spectrum;
    size_t l;
    int bit;
    if (argc != 3) {
        fprintf(stderr, "usage: fit_one_c MODEL.onnx SPECTRUM.txt\n");
        return 1;
    }
    spectrum = read_spectrum(argv[2]);
    if (maury_model_load(argv[1], &model) || maury_fit_new(model, NULL, &fit) ||
        maury_execute(fit, &spectrum, &result)) {
        fprintf(stderr, "%s\n", maury_error());
        return 1;
    }
    for (l = 0; l < result.n_labels; ++l)
        printf("%s %.7g %.5g %.5g %.5g\n", maury_model_label(model, l), result.labels[l], result.errors[l],
               result.formal_errors[l], result.model_errors[l]);
    printf("rv %.6g %.5g\nchi2 %.8g %.7g\npixels %d %d\nstatus %s\nflags %u", result.rv, result.rv_err,
           result.chi2, result.rchi2, result.n_pixels, result.n_clipped, maury_status_name(result.status),
           result.flags);
    for (bit = 0; bit < 32; ++bit)
        if (result.flags >> bit & 1u)
            printf(", %s", maury_flag_name(bit));
    printf("\n");
    maury_fit_free(fit);
    maury_model_free(model);
    return 0;
}

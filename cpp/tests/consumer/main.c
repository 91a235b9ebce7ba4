/* What a C program can do without a model file: be told what is wrong. */
#include <maury/maury.h>

#include <stdio.h>
#include <string.h>

int main(void) {
    maury_model* model = NULL;
    maury_fit* fit = NULL;
    maury_spectrum spectrum = maury_spectrum_of(0, NULL, NULL, NULL, NULL);
    maury_result result;
    int good = maury_model_load("there is no such file", &model) != MAURY_OK && model == NULL;
    printf("%s: %s\n", maury_version(), maury_error());
    good = good && strstr(maury_error(), "there is no such file") != NULL;
    good = good && maury_fit_new(NULL, NULL, &fit) == MAURY_BAD_ARGUMENT && fit == NULL;
    good = good && maury_execute(NULL, &spectrum, &result) == MAURY_BAD_ARGUMENT;
    good = good && strcmp(maury_status_name(MAURY_STATUS_MAX_EVALUATIONS), "max evaluations") == 0;
    good = good && maury_status_name(99) == NULL && maury_flag_name(31) == NULL;
    good = good && strcmp(maury_flag_name(5), "low snr") == 0 && MAURY_FLAG_LOW_SNR == 1 << 5;
    good = good && spectrum.rv != spectrum.rv; /* NaN */
    maury_fit_free(NULL);
    maury_model_free(NULL);
    return good ? 0 : 1;
}

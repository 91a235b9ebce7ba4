// Fits one spectrum: fit_one MODEL.onnx SPECTRUM.txt
#include "spectra_text.hpp"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) try {
    if (argc != 3)
        throw std::invalid_argument("usage: fit_one MODEL.onnx SPECTRUM.txt");
    const maury::Model model = maury::Model::load(argv[1]);
    const SpectrumText text = read_spectra(argv[2]).at(0);

    maury::Fit fit(model);
    const maury::Result result = fit(text.spectrum());

    for (std::size_t l = 0; l < model.n_labels(); ++l)
        std::printf("%s %.7g %.5g %.5g %.5g\n", model.parts().labels[l].c_str(), result.labels[l],
                    result.errors[l], result.formal_errors[l], result.model_errors[l]);
    std::printf("rv %.6g %.5g\nchi2 %.8g %.7g\npixels %d %d\nstatus %s\nflags %u", result.rv, result.rv_err,
                result.chi2, result.rchi2, result.n_pixels, result.n_clipped, maury::name_of(result.status),
                result.flags);
    for (const std::string& name : maury::flag_names(result.flags))
        std::printf(", %s", name.c_str());
    std::printf("\n");
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}

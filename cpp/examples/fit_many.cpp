// Fits a file of spectra with threads: fit_many MODEL.onnx SPECTRA.txt [THREADS]
#include "spectra_text.hpp"

#include <cstdio>
#include <exception>

int main(int argc, char** argv) try {
    if (argc != 3 && argc != 4)
        throw std::invalid_argument("usage: fit_many MODEL.onnx SPECTRA.txt [THREADS]");
    const maury::Model model = maury::Model::load(argv[1]);
    const std::vector<SpectrumText> texts = read_spectra(argv[2]);
    std::vector<maury::Spectrum> spectra;
    for (const SpectrumText& text : texts)
        spectra.push_back(text.spectrum());

    maury::Options options;
    options.leave_out = maury::regions_of("telluric");
    const maury::Fit fit(model, options);
    const std::vector<maury::Result> results =
        fit.many(spectra, argc == 4 ? std::stoi(argv[3]) : 0,
                 [&](std::size_t done) { std::fprintf(stderr, "%zu of %zu\r", done, spectra.size()); });

    for (const maury::Result& result : results) {
        for (std::size_t l = 0; l < model.n_labels(); ++l)
            std::printf("%.7g %.5g ", result.labels[l], result.errors[l]);
        std::printf("%.6g %u%s\n", result.rv, result.flags, result.valid() ? "" : " do not use");
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}

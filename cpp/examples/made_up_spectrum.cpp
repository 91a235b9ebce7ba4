// Writes a spectrum of known labels, 5700 K, 4.3, -0.2, as the text that the examples read:
// made_up_spectrum MODEL.onnx OUT.txt
#include <maury/maury.hpp>

#include <cmath>
#include <cstdio>
#include <exception>

int main(int argc, char** argv) try {
    if (argc != 3)
        throw std::invalid_argument("usage: made_up_spectrum MODEL.onnx OUT.txt");
    const maury::Model model = maury::Model::load(argv[1]);
    const std::vector<double> flux = model.flux({5700.0, 4.3, -0.2});
    std::FILE* const file = std::fopen(argv[2], "w");
    if (!file)
        throw std::runtime_error("the spectrum cannot be written");
    std::fprintf(file, "# rv 0\n# snr 100\n");
    for (std::size_t p = 0; p < flux.size(); ++p) {
        const double noise = 0.01 * std::sin(12.9898 * static_cast<double>(p * p % 7919));
        std::fprintf(file, "%.17g %.17g %.17g %.17g\n", model.parts().wavelength[p], 50.0 * (flux[p] + noise),
                     4.0, model.parts().lsf[p]);
    }
    return std::fclose(file) == 0 ? 0 : 1;
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}

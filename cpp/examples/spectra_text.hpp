// Spectra as text, for the examples: a line per pixel with wavelength [vacuum Angstrom], flux, ivar, lsf
// [Gaussian sigma, Angstrom, or nan] and, if there are several, the arm. Before it "# rv -12.3", "# snr 50",
// "# quality 0" where they are known; an empty line between spectra.
#pragma once

#include <maury/maury.hpp>

#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

struct SpectrumText {
    std::vector<double> wavelength, flux, ivar, lsf;
    std::vector<std::int32_t> arm;
    double rv = maury::unknown, snr = maury::unknown;
    std::int64_t quality = 0;

    maury::Spectrum spectrum() const { // it points into this
        maury::Spectrum made;
        made.wavelength = wavelength;
        made.flux = flux;
        made.ivar = ivar;
        made.lsf = lsf;
        made.arm = arm;
        made.rv = rv;
        made.snr = snr;
        made.quality = quality;
        return made;
    }
};

inline std::vector<SpectrumText> read_spectra(const std::string& path) {
    std::ifstream file(path);
    if (!file)
        throw std::runtime_error(path + ": it cannot be read");
    std::vector<SpectrumText> all(1);
    const auto number = [](const std::string& word) { return std::stod(word); }; // knows nan, as >> does not
    for (std::string line; std::getline(file, line);) {
        std::istringstream text(line);
        const std::vector<std::string> words{std::istream_iterator<std::string>(text), {}};
        if (words.empty() && !all.back().flux.empty())
            all.emplace_back();
        if (words.empty())
            continue;
        SpectrumText& own = all.back();
        if (words[0] == "#") {
            if (words.size() == 3 && words[1] == "rv")
                own.rv = number(words[2]);
            if (words.size() == 3 && words[1] == "snr")
                own.snr = number(words[2]);
            if (words.size() == 3 && words[1] == "quality")
                own.quality = std::stoll(words[2]);
            continue;
        }
        if (words.size() < 4)
            throw std::runtime_error(path + ": expected four numbers in a line, got " + line);
        own.wavelength.push_back(number(words[0]));
        own.flux.push_back(number(words[1]));
        own.ivar.push_back(number(words[2]));
        own.lsf.push_back(number(words[3]));
        if (words.size() > 4)
            own.arm.push_back(std::stoi(words[4]));
    }
    if (all.back().flux.empty())
        all.pop_back();
    return all;
}

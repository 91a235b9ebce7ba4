// What fuzzing calls: any bytes as an emulator file.
#pragma once

#include "maury/maury.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

// Whether the bytes are accepted; nothing but EmulatorFileError may be thrown, and what is accepted must
// work.
inline bool loads(const std::uint8_t* data, std::size_t size) {
    try {
        const maury::Model model = maury::Model::load(data, size, "fuzzed");
        const std::vector<double>& middle = model.parts().label_max;
        if (!std::isfinite(model.flux(middle)[0]) || model.error(middle).size() != model.n_labels())
            std::abort();
        return true;
    } catch (const maury::EmulatorFileError&) {
        return false;
    }
}

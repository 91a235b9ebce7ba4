#include "maury/regions.hpp"

#include <stdexcept>

namespace maury {
namespace {

struct Named {
    const char* name;
    std::vector<Region> regions;
};

// Telluric bands: O2 and H2O. Balmer: cores of H delta to alpha. Sodium: Na D. Interstellar lines move with
// the clouds, by less than these widths.
const std::vector<Named>& table() {
    static const std::vector<Named> all = {
        {"telluric",
         {{6278.0, 6330.0, false},
          {6868.0, 6960.0, false},
          {7167.0, 7330.0, false},
          {7594.0, 7700.0, false},
          {8130.0, 8350.0, false},
          {8940.0, 9850.0, false}}},
        {"balmer",
         {{4091.0, 4115.0, true}, {4330.0, 4354.0, true}, {4851.0, 4875.0, true}, {6553.0, 6577.0, true}}},
        {"sodium", {{5884.0, 5904.0, true}}},
        {"interstellar",
         {{3930.8, 3938.8, false},
          {3965.6, 3973.6, false},
          {5776.0, 5788.0, false},
          {5886.0, 5902.0, false},
          {6278.0, 6290.0, false}}}};
    return all;
}

} // namespace

std::vector<std::string> region_names() {
    std::vector<std::string> names;
    for (const Named& entry : table())
        names.push_back(entry.name);
    return names;
}

std::vector<Region> regions_of(const std::string& name) {
    std::string known;
    for (const Named& entry : table()) {
        if (entry.name == name)
            return entry.regions;
        known += (known.empty() ? "" : ", ") + std::string(entry.name);
    }
    throw std::invalid_argument("leave_out: unknown region " + name + "; known are " + known);
}

} // namespace maury

// Labels as fractions of a range, in log10 where a network takes that; and labels spread over a box.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace maury {

// (L,) each; points are (n, L), row by row.
struct LabelSpace {
    std::vector<bool> log10;
    std::vector<double> low, high; // of the transformed labels

    LabelSpace(const std::vector<std::string>& transforms, const std::vector<double>& lower,
               const std::vector<double>& upper);
    std::size_t size() const { return low.size(); }
    void scaled(const double* labels, double* fraction) const;
    void unscaled(const double* fraction, double* labels) const;
};

// (n, L) labels that fill a box evenly, the same ones always: the additive sequence of Roberts (2018), whose
// steps are powers of 1/r, r the root above 1 of r^(L + 1) = r + 1.
std::vector<double> spread_labels(const std::vector<double>& lower, const std::vector<double>& upper,
                                  const std::vector<std::string>& transforms, std::size_t n);

} // namespace maury

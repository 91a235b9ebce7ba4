// Blurred steps at any place and variance, from a table of some.
#pragma once

#include "maury/aligned.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace maury {

// S (see blurred_step.hpp) at the edge of a pixel less each coefficient near it, and its first derivatives by
// place: value(d)[k] is that less coefficient first + k; before the first S is 1, behind the last 0. So many
// numbers beyond the ends can be read: `beyond`.
struct PixelEdge {
    static constexpr std::size_t beyond = 16;
    std::ptrdiff_t first = 0, n = 0;
    const double* value(int derivative) const {
        return &values[static_cast<std::size_t>(derivative) * stride + beyond];
    }
    std::ptrdiff_t end() const { return first + n; }

    Aligned<double> values;
    std::size_t stride = 0;
};

// Nodes 1/64 of a pixel, 1/16 where S is smooth, and 2 % of the variance apart, computed when first asked
// for; between them a Taylor series, as d S / d variance = S'' / 2: right to 1e-7 max(1, sigma^2). A node is
// a function of its number alone, so it does not matter which spectra a table has served. One a thread.
class StepTable {
  public:
    // Tables are dear to fill, and shared by runs: one that nobody uses now, or a new one.
    static std::unique_ptr<StepTable> borrow();
    static void give_back(std::unique_ptr<StepTable> table);

    // S and n_derivatives <= 2 derivatives, of the Gaussian of this variance
    void set(PixelEdge& edge, double place, double variance, int n_derivatives);

  private:
    static constexpr std::size_t n_phases = 64, n_orders = 6;
    struct Node {
        std::ptrdiff_t first = 0;
        std::size_t n = 0, stride = 0;
        Aligned<double> values; // (orders, stride)
    };
    struct Level {
        double variance = 0.0, least = 0.0, most = 0.0; // of its node; of the variances that it serves
        std::unique_ptr<Node> nodes[n_phases];
    };
    Level& level_of(double variance);
    Level* level(std::size_t number);
    const Node& node_of(Level& level, std::size_t phase);

    std::vector<std::unique_ptr<Level>> levels_;
    std::size_t n_nodes_ = 0;
    std::size_t number_ = 0; // of the last level
};

} // namespace maury

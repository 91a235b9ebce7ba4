#include "step_table.hpp"

#include "blurred_step.hpp"
#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>

namespace maury {
namespace {

constexpr double least_variance = 1e-7;   // smaller ones count as 0
constexpr double spacing = 0.02;          // of the logarithms of variances
constexpr double smooth = 1.0;            // from this variance on a quarter of the phases does
constexpr int many = 6, few = 4;          // log2 of the phases
constexpr std::size_t most_nodes = 20000; // of a table that is kept, some 30 MB

struct Shelf {
    std::mutex mutex;
    std::vector<std::unique_ptr<StepTable>> tables;
};

Shelf& shelf() {
    static Shelf one;
    return one;
}

} // namespace

std::unique_ptr<StepTable> StepTable::borrow() {
    const std::lock_guard<std::mutex> lock(shelf().mutex);
    if (shelf().tables.empty())
        return std::make_unique<StepTable>();
    std::unique_ptr<StepTable> table = std::move(shelf().tables.back());
    shelf().tables.pop_back();
    return table;
}

void StepTable::give_back(std::unique_ptr<StepTable> table) {
    if (table->n_nodes_ > most_nodes)
        return;
    const std::lock_guard<std::mutex> lock(shelf().mutex);
    shelf().tables.push_back(std::move(table));
}

// Null if it is not made yet.
StepTable::Level* StepTable::level(std::size_t number) {
    return number < levels_.size() ? levels_[number].get() : nullptr;
}

// That of the last pixel, or next to it, as a rule.
StepTable::Level& StepTable::level_of(double variance) {
    for (const std::size_t number : {number_, number_ + 1, number_ - 1})
        if (Level* const here = level(number); here && variance >= here->least && variance < here->most) {
            number_ = number;
            return *here;
        }
    // The bounds decide, not the logarithm: else the last level would, next to a bound.
    const auto bound = [](double number) {
        return number < 1.0 ? 0.0 : least_variance * std::exp(spacing * (number - 1.0));
    };
    double place =
        variance < least_variance ? 0.0 : 1.0 + std::floor(std::log(variance / least_variance) / spacing);
    while (variance < bound(place))
        --place;
    while (variance >= bound(place + 1.0))
        ++place;
    number_ = static_cast<std::size_t>(place);
    if (levels_.size() <= number_)
        levels_.resize(number_ + 1);
    std::unique_ptr<Level>& here = levels_[number_];
    if (!here) {
        here = std::make_unique<Level>();
        here->least = bound(place);
        here->most = bound(place + 1.0);
        if (number_ > 0)
            here->variance = least_variance * std::exp(spacing * (place - 0.5));
    }
    return *here;
}

const StepTable::Node& StepTable::node_of(Level& level, std::size_t phase) {
    std::unique_ptr<Node>& node = level.nodes[phase];
    if (node)
        return *node;
    node = std::make_unique<Node>();
    ++n_nodes_;
    const double place = static_cast<double>(phase) / n_phases, sigma = std::sqrt(level.variance);
    const double reach = 1.5 + blur_reach * sigma, first = std::ceil(place - reach);
    node->first = static_cast<std::ptrdiff_t>(first);
    node->n = static_cast<std::size_t>(std::floor(place + reach) - first) + 1;
    node->stride = simd::padded(node->n);
    node->values.resize(n_orders * node->stride);
    BlurredStep step;
    step.set(place - first, node->n, sigma, n_orders - 1);
    for (std::size_t d = 0; d < n_orders; ++d)
        std::copy_n(step.derivative(static_cast<int>(d)), node->n, &node->values[d * node->stride]);
    return *node;
}

// With a the place and v the variance from the node, e^(a D) e^(v D^2 / 2) S, D = d / d place; to the third
// order in a, the second in v.
void StepTable::set(PixelEdge& edge, double place, double variance, int n_derivatives) {
    Level& level = level_of(variance);
    const int bits = level.variance < smooth ? many : few;
    const double phases = bits == many ? 64.0 : 16.0, step = 1.0 / phases;
    const double nearest = place * phases + 0.5;
    auto number = static_cast<std::ptrdiff_t>(nearest); // of the phase, whole pixels before it included
    number -= nearest < static_cast<double>(number);
    const std::ptrdiff_t whole = number >> bits, left = number & ((1 << bits) - 1);
    const Node& node = node_of(level, static_cast<std::size_t>(left) << (many - bits));
    const double a = place - static_cast<double>(number) * step,
                 v = level.variance > 0.0 ? 0.5 * (variance - level.variance) : 0.0;
    const double factor[n_orders] = {
        1.0, a, 0.5 * a * a + v, a * (a * a / 6.0 + v), v * 0.5 * (a * a + v), 0.5 * v * v * a};
    edge.first = node.first + whole;
    edge.n = static_cast<std::ptrdiff_t>(node.n);
    const std::size_t stride = node.stride + 2 * PixelEdge::beyond;
    if (edge.stride != stride || edge.values.empty()) {
        edge.stride = stride;
        edge.values.assign(3 * stride, 0.0);
        std::fill_n(edge.values.begin(), PixelEdge::beyond, 1.0);
    }
    static const auto blend = simd::kernels().blend_steps;
    blend(node.values.data(), node.stride, factor, n_derivatives, &edge.values[PixelEdge::beyond], stride);
}

} // namespace maury

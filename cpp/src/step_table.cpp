#include "step_table.hpp"

#include "blurred_step.hpp"
#include "simd/kernels.hpp"

#include <algorithm>
#include <cmath>

namespace maury {
namespace {

constexpr double least_variance = 1e-7; // less counts as none
constexpr double spacing = 0.02;        // of the logarithms of variances

} // namespace

const StepTable::Level& StepTable::level_of(double variance) {
    if (level_ && variance >= least_ && variance < most_)
        return *level_;
    std::size_t number = 0;
    if (variance < least_variance) {
        least_ = 0.0;
        most_ = least_variance;
    } else {
        const double place = std::floor(std::log(variance / least_variance) / spacing);
        number = 1 + static_cast<std::size_t>(std::max(place, 0.0));
        least_ = least_variance * std::exp(spacing * place);
        most_ = least_variance * std::exp(spacing * (place + 1.0));
    }
    if (levels_.size() <= number)
        levels_.resize(number + 1);
    if (!levels_[number]) {
        levels_[number] = std::make_unique<Level>();
        if (number > 0)
            levels_[number]->variance =
                least_variance * std::exp(spacing * (static_cast<double>(number) - 0.5));
    }
    level_ = levels_[number].get();
    return *level_;
}

const StepTable::Node& StepTable::node_of(Level& level, std::size_t phase) {
    std::unique_ptr<Node>& node = level.nodes[phase];
    if (node)
        return *node;
    node = std::make_unique<Node>();
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
    level_of(variance);
    const double whole = std::floor(place + 0.5 / n_phases);
    const double phase = std::max(0.0, std::floor((place - whole) * n_phases + 0.5));
    const Node& node = node_of(*level_, std::min(static_cast<std::size_t>(phase), n_phases - 1));
    const double a = place - whole - std::min(phase, n_phases - 1.0) / n_phases,
                 v = level_->variance > 0.0 ? 0.5 * (variance - level_->variance) : 0.0;
    const double factor[n_orders] = {1.0, a, 0.5 * a * a + v, a * (a * a / 6.0 + v), v * 0.5 * (a * a + v),
                                     0.5 * v * v * a};
    edge.first = node.first + static_cast<std::ptrdiff_t>(whole);
    edge.n = static_cast<std::ptrdiff_t>(node.n);
    const std::size_t stride = node.stride + 2 * PixelEdge::beyond;
    if (edge.stride != stride || edge.values.empty()) {
        edge.stride = stride;
        edge.values.assign(3 * stride, 0.0);
        std::fill_n(edge.values.begin(), PixelEdge::beyond, 1.0);
    }
    static const auto blend = simd::kernels().blend_steps;
    blend(node.values.data(), node.stride, factor, n_derivatives,
                                &edge.values[PixelEdge::beyond], stride);
}

} // namespace maury

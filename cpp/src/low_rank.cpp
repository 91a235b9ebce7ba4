#include "low_rank.hpp"

#include "label_space.hpp"
#include "maury/trunk.hpp"
#include "symmetric_eigen.hpp"

#include <algorithm>
#include <cmath>

namespace maury {
namespace {

using Matrix = std::vector<double>;

constexpr double most_exact = 0.75; // of the inputs: a rank up to this is low
constexpr double rounding = 3e-7;   // of the largest singular value; smaller ones are rounding errors
constexpr double enough = 1e-3;     // rms of flux: a smaller error did not make the exact fit faster
constexpr std::size_t step = 16;    // of the rank
constexpr std::size_t n_labels = 2048;

// a (n, m) b (m, k)
Matrix product(const Matrix& a, const Matrix& b, std::size_t m, std::size_t k) {
    const std::size_t n = a.size() / m;
    Matrix out(n * k, 0.0);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < m; ++j)
            for (std::size_t l = 0; l < k; ++l)
                out[i * k + l] += a[i * m + j] * b[j * k + l];
    return out;
}

Matrix transposed(const Matrix& a, std::size_t n_columns) {
    const std::size_t n = a.size() / n_columns;
    Matrix out(a.size());
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n_columns; ++j)
            out[j * n + i] = a[i * n_columns + j];
    return out;
}

// a'a (m, m) of a (n, m)
Matrix gram(const Matrix& a, std::size_t m) {
    Matrix out(m * m, 0.0);
    for (std::size_t row = 0; row < a.size(); row += m)
        for (std::size_t j = 0; j < m; ++j)
            for (std::size_t l = 0; l < m; ++l)
                out[j * m + l] += a[row + j] * a[row + l];
    return out;
}

// The inputs (N, H) of the last layer at the labels for which a cut must be good.
Matrix activations(const ModelParts& parts, std::size_t n_inputs) {
    const std::size_t n = parts.labels.size();
    Matrix labels = parts.training_labels;
    if (labels.size() < n_labels / 4 * n)
        labels = spread_labels(parts.lower, parts.upper, parts.transforms, n_labels);
    const LabelSpace space(parts.transforms, parts.label_min, parts.label_max);
    const Trunk trunk(n, {parts.layers.begin(), parts.layers.end() - 1});
    TrunkPoint point(trunk);
    Matrix x(n), out;
    for (std::size_t at = 0; at < labels.size(); at += n) {
        space.scaled(&labels[at], x.data());
        for (double& fraction : x)
            fraction -= 0.5;
        const double* h = point.coefficients(x.data());
        out.insert(out.end(), h, h + n_inputs);
    }
    return out;
}

} // namespace

std::optional<Factors> exact_factors(const Matrix& weight, std::size_t n_out, std::size_t n_in) {
    const Eigen found = symmetric_eigen(gram(weight, n_in), n_in);
    const double least = rounding * rounding * found.values.back();
    const auto rank = static_cast<std::size_t>(
        std::count_if(found.values.begin(), found.values.end(), [&](double v) { return v > least; }));
    if (rank == 0 || static_cast<double>(rank) > most_exact * static_cast<double>(n_in) || n_out == 0)
        return std::nullopt;
    Factors factors{rank, {}, {}};
    factors.projection.assign(found.vectors.end() - static_cast<std::ptrdiff_t>(rank * n_in),
                              found.vectors.end());
    factors.basis = product(weight, transposed(factors.projection, n_in), n_in, rank);
    return factors;
}

std::optional<CutFound> make_cut(const ModelParts& parts) {
    const Layer& last = parts.layers.back();
    const std::size_t n = last.n_in, n_pixels = last.n_out;
    if (n <= most_inputs || exact_factors(last.weight, n_pixels, n))
        return std::nullopt;
    CutFound found;
    Cut& cut = found.cut;
    Matrix inputs = activations(parts, n);
    const double n_rows = static_cast<double>(inputs.size() / n);
    cut.centre.assign(n, 0.0);
    for (std::size_t i = 0; i < inputs.size(); ++i)
        cut.centre[i % n] += inputs[i] / n_rows;
    for (std::size_t i = 0; i < inputs.size(); ++i)
        inputs[i] = (inputs[i] - cut.centre[i % n]) / std::sqrt(n_rows);
    const Eigen spread = symmetric_eigen(gram(inputs, n), n);
    Matrix root = spread.vectors, inverse = spread.vectors; // rows: axes times, or divided by, their width
    const double widest = std::sqrt(std::max(spread.values.back(), 0.0));
    for (std::size_t i = 0; i < n; ++i) {
        const double width = std::sqrt(std::max(spread.values[i], 0.0));
        for (std::size_t j = 0; j < n; ++j) {
            root[i * n + j] *= width;
            inverse[i * n + j] *= width > 1e-9 * widest ? 1.0 / width : 0.0;
        }
    }
    const Matrix power_of = product(product(root, gram(last.weight, n), n, n), transposed(root, n), n, n);
    const Eigen power = symmetric_eigen(power_of, n);
    const auto left_out = [&](std::size_t rank) { // rms
        double sum = 0.0;
        for (std::size_t i = 0; i < n - rank; ++i)
            sum += std::max(power.values[i], 0.0);
        return std::sqrt(sum / static_cast<double>(n_pixels));
    };
    cut.rank = step;
    while (cut.rank < most_inputs && left_out(cut.rank) > enough)
        cut.rank += step;
    found.error = left_out(cut.rank);
    Matrix modes; // (K, H), the leading one first
    for (std::size_t k = 0; k < cut.rank; ++k) {
        const auto row = power.vectors.begin() + static_cast<std::ptrdiff_t>((n - 1 - k) * n);
        modes.insert(modes.end(), row, row + static_cast<std::ptrdiff_t>(n));
    }
    cut.projection = product(modes, inverse, n, n);
    cut.basis = product(last.weight, transposed(product(modes, root, n, n), n), n, cut.rank);
    cut.mean = product(last.weight, cut.centre, n, 1);
    for (std::size_t p = 0; p < n_pixels; ++p)
        cut.mean[p] += last.bias[p];
    return found;
}

std::unique_ptr<const Emulator> compiled(const ModelParts& parts) {
    std::vector<Transform> transforms;
    for (const std::string& name : parts.transforms)
        transforms.push_back(transform_from_name(name));
    std::vector<Layer> layers = parts.layers;
    const Layer last = layers.back();
    if (last.n_in > most_inputs)
        if (std::optional<Factors> factors = exact_factors(last.weight, last.n_out, last.n_in)) {
            layers.back() = {factors->rank, last.n_in, std::move(factors->projection),
                             std::vector<double>(factors->rank, 0.0), Activation::identity};
            layers.push_back(
                {last.n_out, factors->rank, std::move(factors->basis), last.bias, Activation::identity});
        }
    const std::optional<CutFound> found = make_cut(parts);
    return std::make_unique<const Emulator>(transforms, parts.label_min, parts.label_max, layers,
                                            found ? found->cut : Cut());
}

} // namespace maury

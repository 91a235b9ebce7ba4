// The last layer of a network from elsewhere, as fast as a bottleneck: factors where its rank is low, and a
// cut for the search where it is not. Networks that maury trains need neither.
#pragma once

#include "maury/emulator.hpp"
#include "maury/model_parts.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace maury {

constexpr std::size_t most_inputs = 64; // of a last layer that is searched whole

// weight (P, H) = basis (P, K) projection (K, H)
struct Factors {
    std::size_t rank;
    std::vector<double> basis, projection;
};

// None unless the rank is well below H. If a float32 layer is the product of two matrices, its singular
// values after the K-th are rounding errors, about 1e-8 of the first. Then W = (W V) V', with V the
// eigenvectors of W'W of the others.
std::optional<Factors> exact_factors(const std::vector<double>& weight, std::size_t n_out, std::size_t n_in);

struct CutFound {
    Cut cut;
    double error; // rms of the flux, over the pixels and the labels below
};

// None for a last layer that is narrow enough or can be factorised. It is cut where this matters least for
// the training labels, or, where those are few, for labels spread over the bounds: with C the covariance of
// the activations before it, the covariance of the flux is W C W', whose leading eigenvectors are kept. Of
// parts, which are complete, labels, layers and training_labels are read.
std::optional<CutFound> make_cut(const ModelParts& parts);

// The network of complete parts, with factors or cut.
std::unique_ptr<const Emulator> compiled(const ModelParts& parts);

} // namespace maury

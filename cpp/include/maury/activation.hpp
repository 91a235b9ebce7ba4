// The activations a layer may have.
#pragma once

namespace maury {

// leaky_relu has slope 0.01 below zero; gelu is x Phi(x) with the exact normal integral Phi.
enum class Activation { identity, relu, leaky_relu, silu, tanh, sigmoid, gelu };

} // namespace maury

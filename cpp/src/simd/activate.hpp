// Activations of the search, in float32. The polynomials are good to the last bit or two.
#pragma once

#include "kernels.hpp"
#include "vector.hpp"

namespace maury::simd {
namespace {

Floats smaller(Floats a, Floats b) { return a < b ? a : b; }
Floats larger(Floats a, Floats b) { return a > b ? a : b; }

// e^x = 2^n e^r, |r| <= ln 2 / 2; below -87 and above 88 as there.
Floats exponential(Floats x) {
    x = smaller(larger(x, Floats{} - 87.0f), Floats{} + 88.0f);
    const Floats round = Floats{} + 12582912.0f; // 1.5 2^23: adding it leaves no bits for a fraction
    const Floats n = (x * 1.44269504f + round) - round;
    const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f; // ln 2 in two parts
    Floats p = r * 1.98756915e-4f + 1.39819995e-3f;
    p = p * r + 8.33345191e-3f;
    p = p * r + 4.16657962e-2f;
    p = p * r + 1.66666655e-1f;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    const Integers power = (__builtin_convertvector(n, Integers) + 127) << 23;
    Floats scale;
    __builtin_memcpy(&scale, &power, sizeof scale);
    return p * scale;
}

Floats sigmoid(Floats z) { return 1.0f / (1.0f + exponential(-z)); }

// The normal integral, after Abramowitz & Stegun 7.1.26: to 1e-7.
Floats normal_integral(Floats z) {
    const Floats x = (z < 0.0f ? -z : z) * 0.70710678f;
    const Floats t = 1.0f / (1.0f + x * 0.3275911f);
    Floats p = t * 1.061405429f - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const Floats tail = 0.5f * p * t * exponential(-x * x);
    return z < 0.0f ? tail : 1.0f - tail;
}

// each(z, slope) returns the activation of z and sets its slope.
template <typename Each> void activate_all(float* value, float* slope, std::size_t n, Each each) {
    Floats s;
    std::size_t i = 0;
    for (; i + n_floats <= n; i += n_floats) {
        store(value + i, each(load<Floats>(value + i), s));
        store(slope + i, s);
    }
    if (i == n)
        return;
    float part[n_floats] = {}, part_slope[n_floats];
    __builtin_memcpy(part, value + i, (n - i) * sizeof(float));
    store(part, each(load<Floats>(part), s));
    store(part_slope, s);
    __builtin_memcpy(value + i, part, (n - i) * sizeof(float));
    __builtin_memcpy(slope + i, part_slope, (n - i) * sizeof(float));
}

void activate_single(Activation activation, float* value, float* slope, std::size_t n) {
    const Floats zero{}, one = zero + 1.0f;
    switch (activation) {
    case Activation::identity:
        return activate_all(value, slope, n, [=](Floats z, Floats& s) {
            s = one;
            return z;
        });
    case Activation::relu:
        return activate_all(value, slope, n, [=](Floats z, Floats& s) {
            s = z > zero ? one : zero;
            return z * s;
        });
    case Activation::leaky_relu:
        return activate_all(value, slope, n, [=](Floats z, Floats& s) {
            s = z > zero ? one : zero + 0.01f;
            return z * s;
        });
    case Activation::silu:
        return activate_all(value, slope, n, [](Floats z, Floats& s) {
            const Floats gate = sigmoid(z);
            s = gate * (1.0f + z * (1.0f - gate));
            return z * gate;
        });
    case Activation::tanh:
        return activate_all(value, slope, n, [](Floats z, Floats& s) {
            const Floats t = 2.0f * sigmoid(2.0f * z) - 1.0f;
            s = 1.0f - t * t;
            return t;
        });
    case Activation::sigmoid:
        return activate_all(value, slope, n, [](Floats z, Floats& s) {
            const Floats gate = sigmoid(z);
            s = gate * (1.0f - gate);
            return gate;
        });
    case Activation::gelu:
        return activate_all(value, slope, n, [](Floats z, Floats& s) {
            const Floats integral = normal_integral(z);
            s = integral + z * 0.39894228f * exponential(z * z * -0.5f);
            return z * integral;
        });
    }
}

} // namespace
} // namespace maury::simd

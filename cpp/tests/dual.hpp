// A number with its derivatives to as many as twelve parameters: models are written once, slopes come exact.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

struct Dual {
    static constexpr std::size_t size = 12;
    double value = 0.0;
    std::array<double, size> slope{};

    Dual() = default;
    Dual(double v) : value(v) {} // constants mix freely with parameters
};

// f(a) with f'(a) given.
inline Dual chain(const Dual& a, double value, double derivative) {
    Dual result(value);
    for (std::size_t i = 0; i < Dual::size; ++i)
        result.slope[i] = derivative * a.slope[i];
    return result;
}

inline Dual combine(const Dual& a, double da, const Dual& b, double db, double value) {
    Dual result(value);
    for (std::size_t i = 0; i < Dual::size; ++i)
        result.slope[i] = da * a.slope[i] + db * b.slope[i];
    return result;
}

inline Dual operator+(const Dual& a, const Dual& b) { return combine(a, 1.0, b, 1.0, a.value + b.value); }
inline Dual operator-(const Dual& a, const Dual& b) { return combine(a, 1.0, b, -1.0, a.value - b.value); }
inline Dual operator-(const Dual& a) { return chain(a, -a.value, -1.0); }
inline Dual operator*(const Dual& a, const Dual& b) {
    return combine(a, b.value, b, a.value, a.value * b.value);
}
inline Dual operator/(const Dual& a, const Dual& b) {
    return combine(a, 1.0 / b.value, b, -a.value / (b.value * b.value), a.value / b.value);
}
inline Dual exp(const Dual& a) { return chain(a, std::exp(a.value), std::exp(a.value)); }
inline Dual log(const Dual& a) { return chain(a, std::log(a.value), 1.0 / a.value); }
inline Dual sin(const Dual& a) { return chain(a, std::sin(a.value), std::cos(a.value)); }
inline Dual cos(const Dual& a) { return chain(a, std::cos(a.value), -std::sin(a.value)); }
inline Dual atan(const Dual& a) { return chain(a, std::atan(a.value), 1.0 / (1.0 + a.value * a.value)); }
inline Dual sqrt(const Dual& a) { return chain(a, std::sqrt(a.value), 0.5 / std::sqrt(a.value)); }
inline Dual abs(const Dual& a) { return a.value < 0.0 ? -a : a; }
inline Dual square(const Dual& a) { return a * a; }
inline Dual power(const Dual& a, const Dual& b) { return exp(b * log(a)); }

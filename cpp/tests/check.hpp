// The whole test framework: CHECK counts failures and says where; main returns report().
#pragma once

#include <cmath>
#include <cstdio>

namespace check {

inline int checks = 0, failures = 0;

inline bool that(bool good, const char* text, const char* file, int line) {
    ++checks;
    if (!good) {
        ++failures;
        std::printf("%s:%d: failed: %s\n", file, line, text);
    }
    return good;
}

inline bool near(double got, double wanted, double tolerance, const char* text, const char* file, int line) {
    const bool good = std::abs(got - wanted) <= tolerance;
    if (!good)
        std::printf("got %.17g, wanted %.17g within %g\n", got, wanted, tolerance);
    return that(good, text, file, line);
}

inline int report() {
    std::printf("%d checks, %d failed\n", checks, failures);
    return failures == 0 && checks > 0 ? 0 : 1;
}

} // namespace check

#define CHECK(condition) check::that((condition), #condition, __FILE__, __LINE__)
#define CHECK_NEAR(got, wanted, tolerance)                                                                   \
    check::near((got), (wanted), (tolerance), #got " = " #wanted, __FILE__, __LINE__)
#define CHECK_THROWS(expression, type)                                                                       \
    do {                                                                                                     \
        bool thrown = false;                                                                                 \
        try {                                                                                                \
            expression;                                                                                      \
        } catch (const type&) {                                                                              \
            thrown = true;                                                                                   \
        }                                                                                                    \
        check::that(thrown, #expression " throws " #type, __FILE__, __LINE__);                               \
    } while (false)

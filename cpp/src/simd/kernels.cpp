// Compiled once a level, with that level's flags and MAURY_SIMD_LEVEL = its name; see CMakeLists.txt.
#include "kernels.hpp"

#include "activate.hpp"
#include "affine.hpp"
#include "banded.hpp"
#include "cubes.hpp"
#include "gram.hpp"
#include "lines.hpp"
#include "panels.hpp"
#include "rows.hpp"
#include "sums.hpp"

#define MAURY_TEXT_OF(name) #name
#define MAURY_TEXT(name) MAURY_TEXT_OF(name)
#define MAURY_JOIN_OF(a, b) a##b
#define MAURY_JOIN(a, b) MAURY_JOIN_OF(a, b)

namespace maury::simd {

extern const Kernels MAURY_JOIN(kernels_, MAURY_SIMD_LEVEL);
const Kernels MAURY_JOIN(kernels_, MAURY_SIMD_LEVEL){
    MAURY_TEXT(MAURY_SIMD_LEVEL),
    affine<Doubles>,
    affine<Floats>,
    activate_single,
    expand,
    gram,
    weighted_rows,
    banded,
    banded_derivatives,
    banded_adjoint,
    blend_steps,
    edge_difference,
    line_derivatives,
    solve_lines,
    line_adjoint,
    normal_eight,
    sum_of_eights,
    add_eights,
    sum_of_rows,
    blurred_cubes,
    weighted_square,
    dot,
    dot_mixed,
    dot_single,
    lags,
    least_of_panels,
};

} // namespace maury::simd

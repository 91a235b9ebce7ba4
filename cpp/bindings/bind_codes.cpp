#include "module.hpp"

#include "maury/codes.h"
#include "maury/simd.hpp"

#include <pybind11/stl.h>

namespace maury::bindings {

void bind_codes(py::module_& m) {
    py::dict status;
#define MAURY_STATUS_ITEM(value, name, meaning) status[#name] = py::make_tuple(value, meaning);
    MAURY_STATUS(MAURY_STATUS_ITEM)
#undef MAURY_STATUS_ITEM
    m.attr("STATUS") = status;
    py::dict flags;
#define MAURY_FLAG_ITEM(bit, name, meaning) flags[#name] = py::make_tuple(1 << bit, meaning);
    MAURY_FLAG(MAURY_FLAG_ITEM)
#undef MAURY_FLAG_ITEM
    m.attr("FLAGS") = flags;
    m.attr("DO_NOT_USE") = flag::do_not_use;
    m.attr("SIMD_LEVELS") = py::tuple(py::cast(simd_levels()));
    m.attr("SIMD_LEVEL") = simd_level(); // a level that MAURY_SIMD asks for in vain ends the import
}

} // namespace maury::bindings

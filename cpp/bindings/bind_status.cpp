#include "module.hpp"

#include "maury/codes.h"

namespace maury::bindings {

void bind_status(py::module_& m) {
    py::dict status;
#define MAURY_STATUS_ITEM(value, name, meaning) status[#name] = py::make_tuple(value, meaning);
    MAURY_STATUS(MAURY_STATUS_ITEM)
#undef MAURY_STATUS_ITEM
    m.attr("STATUS") = status;
}

} // namespace maury::bindings

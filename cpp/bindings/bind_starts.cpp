#include "arrays.hpp"
#include "module.hpp"

#include "maury/regions.hpp"
#include "starts.hpp"

#include <pybind11/stl.h>

namespace maury::bindings {
namespace {

py::array_t<double> rows(const std::vector<double>& values, std::size_t n_columns) {
    py::array_t<double> made({values.size() / n_columns, n_columns});
    std::copy(values.begin(), values.end(), made.mutable_data());
    return made;
}

// Of an emulator, what starts depend on.
ModelParts parts_with(const py::object& training_labels, const std::vector<std::string>& transforms) {
    ModelParts parts;
    const auto known = array<double>(training_labels, "training_labels", "(M, L)",
                                     {any, static_cast<py::ssize_t>(transforms.size())});
    parts.labels = parts.transforms = transforms;
    parts.training_labels = {known.data(), known.data() + known.size()};
    return parts;
}

} // namespace

void bind_starts(py::module_& m) {
    m.attr("N_CANDIDATES") = n_candidates;
    m.def(
        "candidate_labels",
        [](const py::object& training_labels, const std::vector<std::string>& transforms,
           const py::object& lower, const py::object& upper) {
            return rows(candidate_labels(parts_with(training_labels, transforms), vector(lower, "lower"),
                                         vector(upper, "upper")),
                        transforms.size());
        },
        py::arg("training_labels"), py::arg("transforms"), py::arg("lower"), py::arg("upper"),
        "Labels (N_CANDIDATES, L) where a fit inside bounds (L,) may start. See cpp/src/starts.hpp.");
    m.def(
        "template_labels",
        [](const py::object& training_labels, const std::vector<std::string>& transforms,
           const py::object& label_min, const py::object& label_max, const py::object& lower,
           const py::object& upper) {
            ModelParts parts = parts_with(training_labels, transforms);
            parts.label_min = vector(label_min, "label_min");
            parts.label_max = vector(label_max, "label_max");
            parts.lower = vector(lower, "lower");
            parts.upper = vector(upper, "upper");
            return rows(template_labels(parts), transforms.size());
        },
        py::arg("training_labels"), py::arg("transforms"), py::arg("label_min"), py::arg("label_max"),
        py::arg("lower"), py::arg("upper"),
        "Labels (T, L) of the spectra that find a velocity. See cpp/src/starts.hpp.");
    py::dict regions;
    for (const std::string& name : region_names()) {
        py::list ranges;
        bool moves = false;
        for (const Region& region : regions_of(name)) {
            ranges.append(py::make_tuple(region.low, region.high));
            moves = region.moves;
        }
        regions[py::str(name)] = py::make_tuple(moves, py::tuple(ranges));
    }
    m.attr("REGIONS") = regions;
}

} // namespace maury::bindings

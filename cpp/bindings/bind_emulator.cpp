#include "arrays.hpp"
#include "module.hpp"

#include "low_rank.hpp"
#include "maury/emulator.hpp"
#include "model_checks.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <tuple>

namespace maury::bindings {
namespace {

std::vector<double> matrix(const py::object& argument, const std::string& name, py::ssize_t rows,
                           py::ssize_t columns) {
    const auto given = array<double>(argument, name, "", {rows, columns});
    return {given.data(), given.data() + given.size()};
}

// None, or (projection (K, H), centre (H,), basis (P, K), mean (P,))
Cut cut_from(const py::object& argument) {
    if (argument.is_none())
        return {};
    const auto [projection, centre, basis, mean] =
        argument.cast<std::tuple<py::object, py::object, py::object, py::object>>();
    Cut cut;
    cut.projection = matrix(projection, "cut: projection", any, any);
    cut.rank = static_cast<std::size_t>(py::len(projection));
    cut.centre = vector(centre, "cut: centre");
    cut.basis = matrix(basis, "cut: basis", any, any);
    cut.mean = vector(mean, "cut: mean");
    return cut;
}

std::vector<Layer> layers_of(const std::vector<py::object>& weights, const std::vector<py::object>& biases,
                             const std::vector<std::string>& activations) {
    if (biases.size() != weights.size() || activations.size() != weights.size())
        throw py::value_error("weights, biases, activations: expected one of each a layer, got " +
                              std::to_string(weights.size()) + ", " + std::to_string(biases.size()) + ", " +
                              std::to_string(activations.size()));
    std::vector<Layer> layers;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const std::string index = "[" + std::to_string(i) + "]";
        const auto weight =
            py::array_t<double, py::array::c_style | py::array::forcecast>::ensure(weights[i]);
        if (!weight || weight.ndim() != 2) {
            PyErr_Clear();
            throw py::value_error("weights" + index + ": expected float64 (out, in), got " +
                                  describe(weights[i]));
        }
        layers.push_back({static_cast<std::size_t>(weight.shape(0)),
                          static_cast<std::size_t>(weight.shape(1)),
                          {weight.data(), weight.data() + weight.size()},
                          vector(biases[i], "biases" + index),
                          activation_from_name(activations[i])});
    }
    return layers;
}

std::unique_ptr<Emulator> make(const std::vector<std::string>& transforms, const py::object& label_min,
                               const py::object& label_max, const std::vector<py::object>& weights,
                               const std::vector<py::object>& biases,
                               const std::vector<std::string>& activations, const py::object& cut) {
    std::vector<Transform> transform_list;
    for (const std::string& name : transforms)
        transform_list.push_back(transform_from_name(name));
    return std::make_unique<Emulator>(transform_list, vector(label_min, "label_min"),
                                      vector(label_max, "label_max"), layers_of(weights, biases, activations),
                                      cut_from(cut));
}

// One row of labels at a time into rows of an array of this shape.
template <typename Each>
py::array_t<double> each_row(const Emulator& emulator, const py::object& labels_given,
                             std::vector<py::ssize_t> shape, Each each) {
    const auto n_labels = static_cast<py::ssize_t>(emulator.n_labels());
    const auto labels = array<double>(labels_given, "labels", "(N, L)", {any, n_labels});
    const py::ssize_t n = labels.shape(0);
    shape.insert(shape.begin(), n);
    py::array_t<double> result(shape);
    const py::ssize_t row = n ? result.size() / n : 0;
    const double* in = labels.data();
    double* out = result.mutable_data();
    {
        const py::gil_scoped_release release;
        Emulator::Workspace work(emulator);
        for (py::ssize_t i = 0; i < n; ++i)
            each(in + i * n_labels, work, out + i * row);
    }
    return result;
}

py::array_t<double> predict(const Emulator& emulator, const py::object& labels) {
    return each_row(
        emulator, labels, {static_cast<py::ssize_t>(emulator.n_pixels())},
        [&](const double* in, Emulator::Workspace& work, double* out) { emulator.flux(in, work, out); });
}

py::array_t<double> jacobian(const Emulator& emulator, const py::object& labels) {
    return each_row(
        emulator, labels,
        {static_cast<py::ssize_t>(emulator.n_pixels()), static_cast<py::ssize_t>(emulator.n_labels())},
        [&](const double* in, Emulator::Workspace& work, double* out) { emulator.jacobian(in, work, out); });
}

py::array_t<double> as_matrix(const std::vector<double>& values, std::size_t n_columns) {
    py::array_t<double> made({values.size() / n_columns, n_columns});
    std::copy(values.begin(), values.end(), made.mutable_data());
    return made;
}

py::object factors(const py::object& weight_given) {
    const auto weight = array<double>(weight_given, "weight", "(P, H)", {any, any});
    const auto n_in = static_cast<std::size_t>(weight.shape(1));
    std::optional<Factors> found;
    {
        const py::gil_scoped_release release;
        found = exact_factors({weight.data(), weight.data() + weight.size()},
                              static_cast<std::size_t>(weight.shape(0)), n_in);
    }
    if (!found)
        return py::none();
    return py::make_tuple(as_matrix(found->basis, found->rank), as_matrix(found->projection, n_in));
}

py::object cut_of(const std::vector<std::string>& transforms, const py::object& label_min,
                  const py::object& label_max, const py::object& lower, const py::object& upper,
                  const py::object& training_labels, const std::vector<py::object>& weights,
                  const std::vector<py::object>& biases, const std::vector<std::string>& activations) {
    ModelParts parts;
    parts.labels = parts.transforms = transforms;
    parts.label_min = vector(label_min, "label_min");
    parts.label_max = vector(label_max, "label_max");
    parts.lower = vector(lower, "lower");
    parts.upper = vector(upper, "upper");
    const auto known = array<double>(training_labels, "training_labels", "(M, L)",
                                     {any, static_cast<py::ssize_t>(transforms.size())});
    parts.training_labels = {known.data(), known.data() + known.size()};
    parts.layers = layers_of(weights, biases, activations);
    std::optional<CutFound> found;
    {
        const py::gil_scoped_release release;
        found = make_cut(parts);
    }
    if (!found)
        return py::none();
    const std::size_t n_in = parts.layers.back().n_in;
    return py::make_tuple(as_matrix(found->cut.projection, n_in), py::array(py::cast(found->cut.centre)),
                          as_matrix(found->cut.basis, found->cut.rank), py::array(py::cast(found->cut.mean)),
                          found->error);
}

} // namespace

void bind_emulator(py::module_& m) {
    m.attr("COLUMNS") = py::tuple(py::cast(reserved_names()));
    m.attr("MOST_INPUTS") = most_inputs;
    m.def("exact_factors", &factors, py::arg("weight"),
          "Factors (P, K), (K, H) of a matrix (P, H), or None. See cpp/src/low_rank.hpp.");
    m.def("make_cut", &cut_of, py::arg("transforms"), py::arg("label_min"), py::arg("label_max"),
          py::arg("lower"), py::arg("upper"), py::arg("training_labels"), py::arg("weights"),
          py::arg("biases"), py::arg("activations"),
          "Projection, centre, basis, mean and rms error of a cut, or None. See cpp/src/low_rank.hpp.");
    py::class_<Emulator>(m, "Emulator", "Network from labels to normalised flux. Never changes once made.")
        .def(py::init(&make), py::arg("transforms"), py::arg("label_min"), py::arg("label_max"),
             py::arg("weights"), py::arg("biases"), py::arg("activations"), py::arg("cut") = py::none())
        .def("predict", &predict, py::arg("labels"), "labels (N, L) -> flux (N, P)")
        .def("jacobian", &jacobian, py::arg("labels"), "labels (N, L) -> d flux / d label (N, P, L)")
        .def_property_readonly("n_labels", &Emulator::n_labels)
        .def_property_readonly("n_pixels", &Emulator::n_pixels);
}

} // namespace maury::bindings

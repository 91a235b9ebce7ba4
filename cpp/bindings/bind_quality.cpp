#include "arrays.hpp"
#include "module.hpp"

#include "model_error.hpp"
#include "quality.hpp"
#include "training_distance.hpp"

#include <pybind11/stl.h>

namespace maury::bindings {
namespace {

// Flags (N,) of results, whose fields are arrays (N,) by name; labels (N, L).
py::array_t<std::int32_t> flags(const std::vector<std::string>& names, const py::object& training_range,
                                std::size_t n_grid, double max_rv, const py::object& labels_given,
                                const py::kwargs& fields) {
    const auto n_labels = static_cast<py::ssize_t>(names.size());
    const auto labels = array<double>(labels_given, "labels", "(N, L)", {any, n_labels}),
               range = array<double>(training_range, "training_range", "(L, 2)", {n_labels, 2});
    const auto field = [&](const char* name) {
        std::vector<double> values = vector(fields[name], name);
        if (static_cast<py::ssize_t>(values.size()) != labels.shape(0))
            throw py::value_error(std::string(name) + ": expected one value per row of labels");
        return values;
    };
    ModelParts parts;
    parts.labels = names;
    parts.wavelength.resize(n_grid);
    for (py::ssize_t l = 0; l < n_labels; ++l) {
        parts.training_min.push_back(range.at(l, 0));
        parts.training_max.push_back(range.at(l, 1));
    }
    const auto converged = field("converged"), at_bound = field("at_bound"), n_pixels = field("n_pixels"),
               n_clipped = field("n_clipped"), n_starts = field("n_starts"), n_agree = field("n_agree"),
               rchi2 = field("rchi2"), rchi2_noise = field("rchi2_noise"), rv = field("rv"),
               rv_err = field("rv_err"), snr = field("snr"), spectrum_rv = field("spectrum_rv"),
               distance = field("training_distance"), bad_fraction = field("bad_fraction"),
               resolution_unknown = field("resolution_unknown"), sharper = field("sharper"),
               emission = field("emission"), misfit = field("misfit"), unexplained = field("unexplained"),
               rejected = field("rejected"), unreadable = field("unreadable");
    py::array_t<std::int32_t> found(labels.shape(0));
    Result r;
    for (std::size_t i = 0; i < converged.size(); ++i) {
        const double* own = labels.data() + i * names.size();
        r.labels.assign(own, own + names.size());
        r.converged = converged[i] != 0.0;
        r.n_pixels = static_cast<int>(n_pixels[i]);
        r.n_clipped = static_cast<int>(n_clipped[i]);
        r.n_starts = static_cast<int>(n_starts[i]);
        r.n_agree = static_cast<int>(n_agree[i]);
        r.rchi2 = rchi2[i];
        r.rchi2_noise = rchi2_noise[i];
        r.rv = rv[i];
        r.rv_err = rv_err[i];
        r.snr = snr[i];
        r.training_distance = distance[i];
        r.problem = unreadable[i] != 0.0 ? "unreadable" : "";
        const ResidualSigns residuals{emission[i] != 0.0, misfit[i] != 0.0, unexplained[i], 0.0};
        const Signs signs{at_bound[i] != 0.0, sharper[i] != 0.0, resolution_unknown[i] != 0.0,
                          rejected[i] != 0.0, bad_fraction[i],   spectrum_rv[i]};
        found.mutable_data()[i] = static_cast<std::int32_t>(flags_of(r, residuals, signs, parts, max_rv));
    }
    return found;
}

py::array_t<std::int32_t> cautions(const py::object& labels_given, const std::vector<std::string>& names) {
    const auto labels =
        array<double>(labels_given, "labels", "(N, L)", {any, static_cast<py::ssize_t>(names.size())});
    py::array_t<std::int32_t> found(labels.shape(0));
    for (py::ssize_t i = 0; i < labels.shape(0); ++i) {
        const double* own = labels.data() + i * labels.shape(1);
        found.mutable_data()[i] = static_cast<std::int32_t>(cautions_of({own, own + names.size()}, names));
    }
    return found;
}

TrainingDistance distance_to(const py::object& training_labels, const std::vector<std::string>& transforms,
                             const py::object& label_min, const py::object& label_max) {
    ModelParts parts;
    const auto known = array<double>(training_labels, "training_labels", "(M, L)",
                                     {any, static_cast<py::ssize_t>(transforms.size())});
    parts.labels = parts.transforms = transforms;
    parts.training_labels = {known.data(), known.data() + known.size()};
    parts.label_min = vector(label_min, "label_min");
    parts.label_max = vector(label_max, "label_max");
    const py::gil_scoped_release release;
    return TrainingDistance(parts);
}

py::array_t<double> distances(const TrainingDistance& distance, const py::object& labels_given) {
    const auto labels = array<double>(labels_given, "labels", "(N, L)", {any, any});
    py::array_t<double> found(labels.shape(0));
    double* to = found.mutable_data();
    const py::gil_scoped_release release;
    for (py::ssize_t i = 0; i < labels.shape(0); ++i)
        to[i] = distance(labels.data() + i * labels.shape(1));
    return found;
}

// Flat values (..., ...) of anything NumPy can make float64 of.
std::vector<double> flat(const py::object& argument) {
    const auto given = py::array_t<double, py::array::c_style | py::array::forcecast>::ensure(argument);
    return {given.data(), given.data() + given.size()};
}

ModelErrors model_errors(const std::vector<std::string>& labels, const std::vector<std::string>& variables,
                         const std::vector<bool>& log10, const py::object& centre, const py::object& scale,
                         const py::object& low, const py::object& high, const std::vector<std::string>& terms,
                         const py::object& coefficients, const py::object& least, const py::object& most,
                         const py::object& correlation) {
    return ModelErrors({variables, log10, flat(centre), flat(scale), flat(low), flat(high), terms,
                        flat(coefficients), flat(least), flat(most), flat(correlation)},
                       labels, TrainingDistance::neighbour + 1);
}

py::array_t<double> predicted(const ModelErrors& errors, const py::object& labels_given,
                              const py::object& distance_given) {
    const auto labels = array<double>(labels_given, "labels", "(N, L)", {any, any});
    const auto distance = array<double>(distance_given, "distance", "(N,)", {labels.shape(0)});
    py::array_t<double> sigma({labels.shape(0), labels.shape(1)});
    double* to = sigma.mutable_data();
    const py::gil_scoped_release release;
    for (py::ssize_t i = 0; i < labels.shape(0); ++i)
        errors.predict(labels.data() + i * labels.shape(1), distance.data()[i], to + i * labels.shape(1));
    return sigma;
}

} // namespace

void bind_quality(py::module_& m) {
    m.def("flags", &flags, py::arg("names"), py::arg("training_range"), py::arg("n_grid"), py::arg("max_rv"),
          py::arg("labels"), "Flags (N,) of results. See cpp/src/quality.hpp.");
    m.def("cautions", &cautions, py::arg("labels"), py::arg("names"),
          "The flags (N,) that follow from labels (N, L) alone.");
    py::class_<TrainingDistance>(m, "TrainingDistance", "See cpp/src/training_distance.hpp.")
        .def(py::init(&distance_to), py::arg("training_labels"), py::arg("transforms"), py::arg("label_min"),
             py::arg("label_max"))
        .def("__call__", &distances, py::arg("labels"), "labels (N, L) -> (N,)");
    py::class_<ModelErrors>(m, "ModelErrors", "See cpp/src/model_error.hpp.")
        .def(py::init(&model_errors), py::arg("labels"), py::arg("variables"), py::arg("log10"),
             py::arg("centre"), py::arg("scale"), py::arg("low"), py::arg("high"), py::arg("terms"),
             py::arg("coefficients"), py::arg("least"), py::arg("most"), py::arg("correlation"))
        .def("predict", &predicted, py::arg("labels"), py::arg("distance"),
             "Standard deviations (N, L) at labels (N, L) with distances (N,) to the training stars.");
}

} // namespace maury::bindings

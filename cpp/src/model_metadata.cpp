#include "model_metadata.hpp"

#include "maury/maury.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace maury {
namespace {

using nlohmann::json;

constexpr int format_version = 1;
constexpr std::size_t most_modes = 64;

[[noreturn]] void refuse(const std::string& why) { throw EmulatorFileError(why); }

std::vector<double> numbers(const json& list) {
    std::vector<double> values;
    for (const json& item : list.get_ref<const json::array_t&>())
        values.push_back(item.is_number() ? item.get<double>()
                                          : throw json::other_error::create(500, "expected a number", &item));
    return values;
}

std::vector<double> rows(const json& list, std::size_t n_columns, const char* name) {
    std::vector<double> values;
    for (const json& row : list.get_ref<const json::array_t&>()) {
        const std::vector<double> one = numbers(row);
        if (one.size() != n_columns)
            refuse(std::string(name) + ": expected rows of " + std::to_string(n_columns) + " numbers");
        values.insert(values.end(), one.begin(), one.end());
    }
    return values;
}

std::vector<std::string> texts(const json& list) {
    std::vector<std::string> values;
    for (const json& item : list.get_ref<const json::array_t&>())
        values.push_back(item.get<std::string>());
    return values;
}

// "maury.<key>", read by `understand`; `missing`: what stands for it in older files.
template <typename Understand>
auto entry(const OnnxFile& file, const std::string& key, const Understand& understand,
           const char* missing = nullptr) {
    const auto found = file.metadata.find("maury." + key);
    if (found == file.metadata.end() && !missing)
        refuse("metadata 'maury." + key + "' is missing; the file may be cut short");
    const json value =
        json::parse(found == file.metadata.end() ? std::string(missing) : found->second, nullptr, false);
    if (value.is_discarded())
        refuse("metadata 'maury." + key + "' is not JSON");
    try {
        return understand(value);
    } catch (const json::exception& error) {
        refuse("metadata 'maury." + key + "' does not have the expected form: " + error.what());
    }
}

Layer stored_layer(const OnnxFile& file, std::size_t i) {
    const std::string at = "layer" + std::to_string(i);
    const auto bias = file.tensors.find(at + ".bias");
    if (bias == file.tensors.end())
        refuse("layer " + std::to_string(i) + " has weights but no '" + at + ".bias'");
    const OnnxTensor& weight = file.tensors.at(at + ".weight");
    const auto numbers_of = [&](const OnnxTensor& tensor, const char* what, std::size_t n_dims) {
        if (tensor.type != OnnxTensor::float32 || tensor.dims.size() != n_dims)
            refuse("'" + at + what + "' is not float32 of " + std::to_string(n_dims) + " dimensions");
        std::vector<double> values(tensor.size());
        for (std::size_t k = 0; k < values.size(); ++k) {
            float single;
            std::memcpy(&single, tensor.bytes.data() + 4 * k, 4);
            values[k] = static_cast<double>(single);
        }
        return values;
    };
    Layer layer{0, 0, numbers_of(weight, ".weight", 2), numbers_of(bias->second, ".bias", 1),
                Activation::identity};
    layer.n_out = static_cast<std::size_t>(weight.dims[0]);
    layer.n_in = static_cast<std::size_t>(weight.dims[1]);
    return layer;
}

std::vector<Layer> stored_layers(const OnnxFile& file) {
    std::vector<Layer> layers;
    while (file.tensors.count("layer" + std::to_string(layers.size()) + ".weight"))
        layers.push_back(stored_layer(file, layers.size()));
    if (layers.empty())
        refuse("it contains no network: there is no tensor 'layer0.weight'");
    const std::vector<std::string> activations = entry(file, "activations", texts);
    if (activations.size() != layers.size() - 1)
        refuse("activation: " + std::to_string(activations.size()) + " given for " +
               std::to_string(layers.size() - 1) + " hidden layers");
    for (std::size_t i = 0; i < activations.size(); ++i)
        try {
            layers[i].activation = activation_from_name(activations[i]);
        } catch (const std::invalid_argument& error) {
            refuse(error.what());
        }
    return layers;
}

std::vector<double> wavelengths(const json& grid, std::size_t n_pixels) {
    if (grid.at("medium") != "vacuum" || grid.at("unit") != "Angstrom")
        refuse("wavelengths are not in vacuum, Angstrom");
    if (!grid.at("length").is_number() || grid.at("length") != n_pixels)
        refuse("wavelength: the length is not that of the last layer, which gives " +
               std::to_string(n_pixels) + " pixels");
    if (grid.contains("values"))
        return numbers(grid.at("values"));
    const double start = grid.at("log10_start").get<double>(), step = grid.at("log10_step").get<double>();
    std::vector<double> values(n_pixels);
    for (std::size_t p = 0; p < n_pixels; ++p)
        values[p] = std::pow(10.0, start + step * static_cast<double>(p));
    return values;
}

double from_float16(std::uint16_t bits) {
    const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const double size = exponent == 0    ? std::ldexp(fraction, -24)
                        : exponent == 31 ? std::numeric_limits<double>::infinity()
                                         : std::ldexp(1024 + fraction, exponent - 25);
    return bits & 0x8000 ? -size : size;
}

std::string from_base64(const std::string& text) {
    std::string bytes;
    std::uint32_t held = 0;
    std::size_t n = text.size();
    while (n > 0 && text.size() - n < 2 && text[n - 1] == '=')
        --n;
    if (text.size() % 4 != 0)
        refuse("modes: not base64");
    for (std::size_t i = 0; i < n; ++i) {
        static const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const std::size_t digit = digits.find(text[i]);
        if (digit == std::string::npos)
            refuse("modes: not base64");
        held = (held << 6) | static_cast<std::uint32_t>(digit);
        if (i % 4 != 0) // 6, 12, 18, 24 bits: a byte after the second, third, fourth
            bytes.push_back(static_cast<char>((held >> (2 * (3 - i % 4))) & 255));
    }
    return bytes;
}

std::vector<double> stored_modes(const json& told, std::size_t n_pixels) {
    std::vector<double> modes;
    if (told.is_null())
        return modes;
    const json& count = told.at("count");
    if (!count.is_number_integer() || count < 1 || count > most_modes)
        refuse("modes: expected 1 to " + std::to_string(most_modes) + " of them");
    const std::size_t n_bytes = 2 * n_pixels * count.get<std::size_t>();
    const std::string& text = told.at("float16").get_ref<const std::string&>();
    const std::string bytes = text.size() == (n_bytes + 2) / 3 * 4 ? from_base64(text) : std::string();
    if (bytes.size() != n_bytes)
        refuse("modes: expected " + std::to_string(n_bytes) + " bytes in base64");
    for (std::size_t i = 0; i < n_bytes; i += 2)
        modes.push_back(from_float16(static_cast<std::uint16_t>(
            static_cast<unsigned char>(bytes[i]) | static_cast<unsigned char>(bytes[i + 1]) << 8)));
    return modes;
}

std::optional<ModelError> stored_error(const json& told, const std::vector<std::string>& labels) {
    if (told.is_null())
        return std::nullopt;
    if (texts(told.at("labels")) != labels)
        refuse("error_on_unseen: its labels are not those of the emulator");
    ModelError error;
    error.variables = texts(told.at("variables"));
    error.terms = texts(told.at("terms"));
    for (const json& item : told.at("log10").get_ref<const json::array_t&>())
        error.log10.push_back(item.get<bool>());
    error.centre = numbers(told.at("centre"));
    error.scale = numbers(told.at("scale"));
    error.low = numbers(told.at("low"));
    error.high = numbers(told.at("high"));
    error.coefficients = rows(told.at("coefficients"), labels.size(), "coefficients");
    error.correlation = rows(told.at("correlation"), labels.size(), "correlation");
    const std::vector<double> range = rows(told.at("ln_sigma_range"), labels.size(), "ln_sigma_range");
    if (range.size() != 2 * labels.size())
        refuse("ln_sigma_range: expected two rows");
    const auto half = range.begin() + static_cast<std::ptrdiff_t>(labels.size());
    const auto check = [&](const char* name, double least, double most) {
        const std::vector<double> values = numbers(told.at(name));
        if (values.size() != labels.size() ||
            !std::all_of(values.begin(), values.end(), [&](double v) { return v >= least && v <= most; }))
            refuse(std::string("metadata 'maury.model_error': ") + name +
                   ": expected one number per label, in range");
    };
    constexpr double most = std::numeric_limits<double>::max();
    check("offset", -most, most);
    check("offset_error", 0.0, most);
    check("pull_width", 0.0, most);
    check("outliers", 0.0, 1.0);
    for (const char* name : {"n_stars", "folds"})
        if (!told.at(name).is_number_integer() || told.at(name) < 0)
            refuse(std::string("metadata 'maury.model_error': ") + name +
                   ": expected a whole number, 0 or more");
    error.least.assign(range.begin(), half);
    error.most.assign(half, range.end());
    return error;
}

} // namespace

ModelParts parts_of(const OnnxFile& file) {
    const int version = entry(file, "format_version", [](const json& value) {
        return value.is_number_integer() && value >= 1 && value < 1000000 ? value.get<int>() : 0;
    });
    if (version == 0)
        refuse("metadata 'maury.format_version' is not a version number");
    if (version > format_version)
        refuse("format version " + std::to_string(version) + " is newer than this maury, which reads up to " +
               std::to_string(format_version) + "; update maury");
    ModelParts parts;
    parts.layers = stored_layers(file);
    const std::size_t n_pixels = parts.layers.back().n_out;
    entry(file, "labels", [&](const json& list) {
        for (const json& label : list.get_ref<const json::array_t&>()) {
            parts.labels.push_back(label.at("name").get<std::string>());
            parts.units.push_back(label.at("unit").get<std::string>());
            parts.transforms.push_back(label.at("transform").get<std::string>());
            const auto add = [&](const char* key, std::vector<double>& to) {
                to.push_back(numbers(json::array({label.at(key)}))[0]);
            };
            add("min", parts.label_min);
            add("max", parts.label_max);
            add("lower", parts.lower);
            add("upper", parts.upper);
            add("training_min", parts.training_min);
            add("training_max", parts.training_max);
        }
        return 0;
    });
    const std::size_t n_labels = parts.labels.size();
    parts.training_labels = entry(file, "training_labels",
                                  [&](const json& list) { return rows(list, n_labels, "training_labels"); });
    parts.wavelength =
        entry(file, "wavelength", [&](const json& grid) { return wavelengths(grid, n_pixels); });
    parts.window = entry(file, "normalisation", [](const json& recipe) {
        if (recipe.at("kind") != "running_median")
            refuse("normalisation is of an unknown kind; expected 'running_median'");
        const json& window = recipe.at("window");
        if (!window.is_number_integer() || window < 1 || window > 1000000000)
            refuse("window: expected a whole number of pixels, 1 or more");
        return window.get<std::size_t>();
    });
    const auto optional_numbers = [&](const json& list) {
        if (list.is_null())
            return std::vector<double>();
        if (list.size() != n_pixels)
            refuse("lsf, scatter: expected one number per pixel");
        return numbers(list);
    };
    parts.lsf = entry(file, "lsf", optional_numbers);
    parts.scatter = entry(file, "scatter", optional_numbers);
    parts.modes =
        entry(file, "modes", [&](const json& told) { return stored_modes(told, n_pixels); }, "null");
    parts.error = entry(
        file, "model_error", [&](const json& told) { return stored_error(told, parts.labels); }, "null");
    entry(file, "meta", [&](const json& meta) {
        if (meta.contains("held_out_rms"))
            parts.held_out_rms = meta.at("held_out_rms").get<double>();
        if (meta.contains("name") && meta.at("name").is_string())
            parts.name = meta.at("name").get<std::string>();
        return meta.get_ref<const json::object_t&>().size();
    });
    return parts;
}

} // namespace maury

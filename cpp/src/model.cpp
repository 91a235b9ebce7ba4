#include "maury/maury.hpp"

#include "emulator_checks.hpp"
#include "model_state.hpp"

#include <algorithm>
#include <cctype>

#ifndef MAURY_VERSION
#define MAURY_VERSION "unknown"
#endif

namespace maury {
namespace {

std::string in_words(std::string name) { // RV_AT_LIMIT -> rv at limit
    for (char& c : name)
        c = c == '_' ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return name;
}

} // namespace

const char* name_of(Status status) {
    switch (status) {
#define MAURY_CASE(value, name, meaning)                                                                     \
    case Status::name: {                                                                                     \
        static const std::string text = in_words(#name);                                                     \
        return text.c_str();                                                                                 \
    }
        MAURY_STATUS(MAURY_CASE)
#undef MAURY_CASE
    }
    return nullptr;
}

const char* meaning_of(Status status) {
    switch (status) {
#define MAURY_CASE(value, name, meaning)                                                                     \
    case Status::name:                                                                                       \
        return meaning;
        MAURY_STATUS(MAURY_CASE)
#undef MAURY_CASE
    }
    return nullptr;
}

const char* flag_name(int bit) {
    switch (bit) {
#define MAURY_CASE(value, name, meaning)                                                                     \
    case value: {                                                                                            \
        static const std::string text = in_words(#name);                                                     \
        return text.c_str();                                                                                 \
    }
        MAURY_FLAG(MAURY_CASE)
#undef MAURY_CASE
    default:
        return nullptr;
    }
}

const char* flag_meaning(int bit) {
    switch (bit) {
#define MAURY_CASE(value, name, meaning)                                                                     \
    case value:                                                                                              \
        return meaning;
        MAURY_FLAG(MAURY_CASE)
#undef MAURY_CASE
    default:
        return nullptr;
    }
}

std::vector<std::string> flag_names(std::uint32_t flags) {
    std::vector<std::string> names;
    for (int bit = 0; bit < 32; ++bit)
        if ((flags >> bit & 1u) && flag_name(bit))
            names.emplace_back(flag_name(bit));
    return names;
}

const char* version() { return MAURY_VERSION; }

Model::Model(std::shared_ptr<const ModelState> state) : state_(std::move(state)) {}

Model Model::from_layers(ModelParts parts) {
    return Model(std::make_shared<const ModelState>(std::move(parts)));
}

const ModelParts& Model::parts() const { return state_->parts; }
std::size_t Model::n_labels() const { return state_->parts.labels.size(); }
std::size_t Model::n_pixels() const { return state_->parts.wavelength.size(); }

std::vector<double> Model::flux(const std::vector<double>& labels) const {
    require(labels.size() == n_labels(), "labels: expected " + std::to_string(n_labels()) + " values, got " +
                                             std::to_string(labels.size()));
    std::vector<double> flux(n_pixels());
    Emulator::Workspace work(*state_->emulator);
    state_->emulator->flux(labels.data(), work, flux.data());
    return flux;
}

std::vector<double> Model::error(const std::vector<double>& labels) const {
    require(labels.size() == n_labels(), "labels: expected " + std::to_string(n_labels()) + " values, got " +
                                             std::to_string(labels.size()));
    std::vector<double> sigma(n_labels());
    state_->error_at(labels.data(), sigma.data());
    return sigma;
}

} // namespace maury

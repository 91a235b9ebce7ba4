#include "maury/maury.hpp"

#include "emulator_checks.hpp"
#include "model_state.hpp"

#include <algorithm>
#include <cctype>
#include <map>

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

void check_labels(const std::vector<double>& labels, std::size_t n) {
    require(labels.size() == n,
            "labels: expected " + std::to_string(n) + " values, got " + std::to_string(labels.size()));
}

struct Named {
    std::string name;
    const char* meaning;
};
using Table = std::map<int, Named>;

const Table& statuses() {
    static const Table all = {
#define MAURY_ENTRY(value, name, meaning) {value, {in_words(#name), meaning}},
        MAURY_STATUS(MAURY_ENTRY)};
    return all;
}

const Table& flags() {
    static const Table all = {MAURY_FLAG(MAURY_ENTRY)};
#undef MAURY_ENTRY
    return all;
}

struct Text {
    const char *name, *meaning; // null: there is no such value
};

Text text_of(const Table& table, int value) {
    const auto found = table.find(value);
    return found == table.end() ? Text{nullptr, nullptr}
                                : Text{found->second.name.c_str(), found->second.meaning};
}

} // namespace

const char* name_of(Status status) { return text_of(statuses(), static_cast<int>(status)).name; }
const char* meaning_of(Status status) { return text_of(statuses(), static_cast<int>(status)).meaning; }
const char* flag_name(int bit) { return text_of(flags(), bit).name; }
const char* flag_meaning(int bit) { return text_of(flags(), bit).meaning; }

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
    check_labels(labels, n_labels());
    std::vector<double> flux(n_pixels());
    Emulator::Workspace work(*state_->emulator);
    state_->emulator->flux(labels.data(), work, flux.data());
    return flux;
}

std::vector<double> Model::error(const std::vector<double>& labels) const {
    check_labels(labels, n_labels());
    std::vector<double> sigma(n_labels());
    state_->error_at(labels.data(), sigma.data());
    return sigma;
}

} // namespace maury

// What the readers of an ONNX file share.
#pragma once

#include "maury/maury.hpp"
#include "onnx_file.hpp"

// A field of the wrong kind is an error of the file, as others are; otherwise a debug build ends there.
#define protozero_assert(condition) ((condition) ? void() : throw protozero::invalid_tag_exception())
#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

#include <algorithm>
#include <array>

namespace maury {

using protozero::pbf_reader;

constexpr std::size_t most_items = 4096; // nodes, tensors, entries: a network has a few dozen
constexpr std::size_t most_dims = 8;

[[noreturn]] inline void refuse(const std::string& why) { throw EmulatorFileError(why); }

// Text of the file in a message: what can be printed, and not too much of it.
inline std::string quoted(std::string text) {
    text.resize(std::min<std::size_t>(text.size(), 60));
    for (char& c : text)
        c = c < ' ' || c > '~' ? '?' : c;
    return "'" + text + "'";
}

inline std::string text_of(pbf_reader& reader) {
    const auto view = reader.get_view();
    return {view.data(), view.size()};
}

template <typename Items> void check_number(const Items& items, const char* what) {
    if (items.size() >= most_items)
        refuse("it contains more " + std::string(what) + " than an emulator has");
}

template <typename Range> void append(const Range& range, std::vector<std::int64_t>& to, std::size_t most) {
    for (const std::int64_t value : range) {
        if (to.size() >= most)
            refuse("a list of dimensions is too long");
        to.push_back(value);
    }
}

// Repeated numbers, packed or one by one.
inline void read_integers(pbf_reader& reader, std::vector<std::int64_t>& to) {
    if (reader.wire_type() == protozero::pbf_wire_type::length_delimited)
        append(reader.get_packed_int64(), to, most_dims);
    else
        append(std::array<std::int64_t, 1>{reader.get_int64()}, to, most_dims);
}

OnnxNode read_node(pbf_reader reader);

} // namespace maury

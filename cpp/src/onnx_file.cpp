#include "onnx_file.hpp"

#include "onnx_reading.hpp"

namespace maury {
namespace {

// Field numbers of onnx.proto.
namespace model_field {
constexpr unsigned producer = 2, graph = 7, opset = 8, metadata = 14, training = 20, functions = 25;
}
namespace graph_field {
constexpr unsigned node = 1, tensor = 5, input = 11, output = 12, sparse_tensor = 15;
}
namespace tensor_field {
constexpr unsigned dims = 1, type = 2, name = 8, bytes = 9, external = 13, location = 14;
}

void check_domain(const std::string& domain) {
    if (!domain.empty() && domain != "ai.onnx")
        refuse("it uses custom operators (" + quoted(domain) + ")");
}

void read_tensor(pbf_reader reader, OnnxFile& file) {
    OnnxTensor tensor;
    std::string name;
    bool external = false;
    while (reader.next())
        switch (reader.tag()) {
        case tensor_field::dims:
            read_integers(reader, tensor.dims);
            break;
        case tensor_field::type:
            tensor.type = reader.get_int32();
            break;
        case tensor_field::name:
            name = text_of(reader);
            break;
        case tensor_field::bytes: {
            const auto view = reader.get_view();
            tensor.bytes = {view.data(), view.size()};
            break;
        }
        case tensor_field::external:
            external = true;
            reader.skip();
            break;
        case tensor_field::location:
            external = reader.get_int32() != 0 || external;
            break;
        default:
            reader.skip();
        }
    if (external)
        refuse("tensor " + quoted(name) + " is in another file; an emulator is one file");
    const std::size_t item = tensor.type == OnnxTensor::float32   ? 4
                             : tensor.type == OnnxTensor::int64   ? 8
                             : tensor.type == OnnxTensor::boolean ? 1
                                                                  : 0;
    if (item == 0)
        refuse("tensor " + quoted(name) + " has data type " + std::to_string(tensor.type) +
               ", not float32, int64 or bool");
    std::size_t n = 1; // never more than there are bytes
    for (const std::int64_t dim : tensor.dims) {
        if (dim < 1)
            refuse("tensor " + quoted(name) + " has the dimension " + std::to_string(dim));
        const auto length = static_cast<std::uint64_t>(dim);
        n = length > tensor.bytes.size() / n ? tensor.bytes.size() + 1 : n * static_cast<std::size_t>(length);
        if (n > tensor.bytes.size())
            break;
    }
    if (n > tensor.bytes.size() || n * item != tensor.bytes.size())
        refuse("tensor " + quoted(name) + ": the file has " + std::to_string(tensor.bytes.size()) +
               " bytes, which is not what its shape needs");
    if (!file.tensors.emplace(name, tensor).second)
        refuse("tensor " + quoted(name) + " occurs twice");
}

std::int64_t read_dimension(pbf_reader reader) {
    std::int64_t value = -2;
    while (reader.next())
        if (reader.tag() == 1)
            value = reader.get_int64();
        else if (reader.tag() == 2)
            value = text_of(reader) == "N" ? -1 : -2;
        else
            reader.skip();
    return value;
}

OnnxValue read_value(pbf_reader reader) {
    OnnxValue value;
    while (reader.next())
        if (reader.tag() == 1)
            value.name = text_of(reader);
        else if (reader.tag() == 2)
            for (pbf_reader type = reader.get_message(); type.next();)
                if (type.tag() != 1)
                    type.skip();
                else
                    for (pbf_reader tensor = type.get_message(); tensor.next();)
                        if (tensor.tag() == 1)
                            value.type = tensor.get_int32();
                        else if (tensor.tag() != 2)
                            tensor.skip();
                        else {
                            value.has_shape = true;
                            for (pbf_reader shape = tensor.get_message(); shape.next();)
                                if (shape.tag() != 1)
                                    shape.skip();
                                else if (value.dims.size() < most_dims)
                                    value.dims.push_back(read_dimension(shape.get_message()));
                                else
                                    refuse("a list of dimensions is too long");
                        }
        else
            reader.skip();
    return value;
}

void read_graph(pbf_reader reader, OnnxFile& file) {
    while (reader.next())
        switch (reader.tag()) {
        case graph_field::node:
            check_number(file.nodes, "nodes");
            file.nodes.push_back(read_node(reader.get_message()));
            break;
        case graph_field::tensor:
            check_number(file.tensors, "tensors");
            read_tensor(reader.get_message(), file);
            break;
        case graph_field::input:
            check_number(file.inputs, "inputs");
            file.inputs.push_back(read_value(reader.get_message()));
            break;
        case graph_field::output:
            check_number(file.outputs, "outputs");
            file.outputs.push_back(read_value(reader.get_message()));
            break;
        case graph_field::sparse_tensor:
            refuse("it contains sparse tensors, which are not allowed in an emulator");
        default:
            reader.skip();
        }
}

void read_entry(pbf_reader reader, OnnxFile& file) {
    std::string key, value;
    while (reader.next())
        if (reader.tag() == 1)
            key = text_of(reader);
        else if (reader.tag() == 2)
            value = text_of(reader);
        else
            reader.skip();
    check_number(file.metadata, "metadata");
    if (!file.metadata.emplace(key, value).second)
        refuse("metadata " + quoted(key) + " occurs twice");
}

void check_opset(pbf_reader reader) {
    while (reader.next())
        if (reader.tag() == 1)
            check_domain(text_of(reader));
        else
            reader.skip();
}

} // namespace

std::size_t OnnxTensor::size() const {
    return bytes.size() / (type == float32 ? 4u : type == int64 ? 8u : 1u);
}

OnnxFile read_onnx(std::string_view bytes) {
    if (bytes.empty())
        refuse("the file is empty");
    OnnxFile file;
    bool has_graph = false;
    try {
        // What an emulator is comes first: another network is told so, whatever else is in it.
        pbf_reader graph;
        for (pbf_reader reader(bytes.data(), bytes.size()); reader.next();)
            switch (reader.tag()) {
            case model_field::producer:
                file.producer = text_of(reader);
                break;
            case model_field::metadata:
                read_entry(reader.get_message(), file);
                break;
            case model_field::graph:
                if (has_graph)
                    refuse("it has two graphs");
                has_graph = true;
                graph = reader.get_message();
                break;
            default:
                reader.skip();
            }
        if (!has_graph)
            refuse("not an ONNX file, or one that is cut short: it has no graph");
        if (file.metadata.count("maury.format_version") == 0)
            refuse("an ONNX file, but not a maury emulator" +
                   (file.producer.empty() ? "" : " (made by " + quoted(file.producer) + ")") +
                   ": it has no metadata 'maury.format_version'");
        for (pbf_reader reader(bytes.data(), bytes.size()); reader.next();)
            switch (reader.tag()) {
            case model_field::opset:
                check_opset(reader.get_message());
                break;
            case model_field::training:
            case model_field::functions:
                refuse("it contains functions or training steps, which are not allowed in an emulator");
            default:
                reader.skip();
            }
        read_graph(graph, file);
    } catch (const protozero::exception&) {
        refuse("not an ONNX file, or one that is cut short or damaged");
    }
    return file;
}

} // namespace maury

#include "onnx_reading.hpp"

namespace maury {
namespace {

constexpr int attribute_float = 1, attribute_ints = 7;

// Field numbers of onnx.proto.
namespace node_field {
constexpr unsigned input = 1, output = 2, name = 3, op = 4, attribute = 5, domain = 7;
}
namespace attribute_field {
constexpr unsigned name = 1, number = 2, integers = 8, type = 20, reference = 21;
}

constexpr std::array<const char*, 17> operators = {
    "Transpose", "LeakyRelu", "Add",  "Div",     "Erf", "Exp",  "Greater",   "Log",  "MatMul",
    "Mul",       "Neg",       "Relu", "Sigmoid", "Sub", "Tanh", "Unsqueeze", "Where"};

void read_attribute(pbf_reader reader, OnnxNode& node) {
    std::string name;
    int type = 0;
    bool reference = false;
    while (reader.next())
        switch (reader.tag()) {
        case attribute_field::name:
            name = text_of(reader);
            break;
        case attribute_field::number:
            node.alpha = reader.get_float();
            break;
        case attribute_field::integers:
            read_integers(reader, node.perm);
            break;
        case attribute_field::type:
            type = reader.get_int32();
            break;
        case attribute_field::reference:
            reference = !text_of(reader).empty();
            break;
        default:
            reader.skip();
        }
    const bool known = (node.op == "Transpose" && name == "perm" && type == attribute_ints) ||
                       (node.op == "LeakyRelu" && name == "alpha" && type == attribute_float);
    if (!known || reference)
        refuse("node " + quoted(node.name) + " (" + node.op + ") has the attribute " + quoted(name) +
               ", which is not allowed");
}

} // namespace

OnnxNode read_node(pbf_reader reader) {
    OnnxNode node;
    std::vector<pbf_reader> attributes;
    std::string domain;
    while (reader.next())
        switch (reader.tag()) {
        case node_field::input:
            check_number(node.inputs, "inputs of a node");
            node.inputs.push_back(text_of(reader));
            break;
        case node_field::output:
            check_number(node.outputs, "outputs of a node");
            node.outputs.push_back(text_of(reader));
            break;
        case node_field::name:
            node.name = text_of(reader);
            break;
        case node_field::op:
            node.op = text_of(reader);
            break;
        case node_field::attribute:
            check_number(attributes, "attributes of a node");
            attributes.push_back(reader.get_message());
            break;
        case node_field::domain:
            domain = text_of(reader);
            break;
        default:
            reader.skip();
        }
    if ((!domain.empty() && domain != "ai.onnx") ||
        std::find(operators.begin(), operators.end(), node.op) == operators.end())
        refuse("node " + quoted(node.name) + " uses the operator " +
               quoted((domain.empty() ? "" : domain + "::") + node.op) + ", which is not allowed");
    for (const pbf_reader& attribute : attributes)
        read_attribute(attribute, node);
    return node;
}

} // namespace maury

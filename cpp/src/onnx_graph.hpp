// Whether the graph of an emulator file computes what its layers do.
#pragma once

#include "maury/emulator.hpp"
#include "maury/model_parts.hpp"
#include "onnx_file.hpp"

namespace maury {

// Evaluates the graph in float32 at a few labels, and compares flux and Jacobian with those of the emulator.
// Throws EmulatorFileError where they differ, an input or output is not as it should be, or a node computes
// more than is necessary: a few small tensors can be multiplied into one that exhausts the memory.
void check_graph(const OnnxFile& file, const ModelParts& parts, const Emulator& emulator);

} // namespace maury

// The content of an emulator file: its layers and metadata as the parts of a model.
#pragma once

#include "maury/model_parts.hpp"
#include "onnx_file.hpp"

namespace maury {

// Sizes and forms are checked here, and what only this file format demands; see checked_parts for the rest.
// Throws EmulatorFileError.
ModelParts parts_of(const OnnxFile& file);

} // namespace maury

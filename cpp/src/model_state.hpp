// What a Model is made of, and what all fits with it share.
#pragma once

#include "maury/emulator.hpp"
#include "maury/measure.hpp"
#include "maury/model_parts.hpp"
#include "model_error.hpp"
#include "training_distance.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace maury {

struct ModelState {
    explicit ModelState(ModelParts given);

    // The plan for fits inside these bounds; `velocity`: with templates. The last one is kept.
    std::shared_ptr<const Plan> plan(const std::vector<double>& lower, const std::vector<double>& upper,
                                     bool velocity) const;
    // (L,) at labels (L,)
    void error_at(const double* labels, double* sigma) const;

    const ModelParts parts; // checked and complete
    const std::unique_ptr<const Emulator> emulator;
    const TrainingDistance distance;
    const std::optional<ModelErrors> errors;

  private:
    mutable std::mutex mutex_;
    mutable std::shared_ptr<const Plan> plan_;
    mutable bool with_velocity_ = false;
};

} // namespace maury

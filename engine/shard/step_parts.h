#pragma once
#include <vector>

#include "ops/grid_steps.h"

namespace gigawarp::shard {

/// The parts of a step in their order; between two of them all members wait for all. relax_folds is
/// the last where there is one.
std::vector<ops::StepPart> step_parts(const ops::StepArgs& args);

}  // namespace gigawarp::shard

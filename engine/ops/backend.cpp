#include "ops/backend.h"

#include "gigawarp/error.h"

namespace gigawarp::ops {

void Backend::relax_marked(const RepairArgs& /*args*/, int /*radius*/) {
  throw Error(ErrorCode::internal, "This back end relaxes folds as a whole.");
}

std::int64_t Backend::recheck_marked(const RepairArgs& /*args*/, int /*radius*/,
                                     std::uint32_t* /*marks_after*/) {
  throw Error(ErrorCode::internal, "This back end relaxes folds as a whole.");
}

bool Backend::begin_step(const StepArgs& /*args*/, int /*slot*/) { return false; }

StepNumbers Backend::finish_step(int /*slot*/) {
  throw Error(ErrorCode::internal, "This back end queues no steps.");
}

}  // namespace gigawarp::ops

#pragma once
#include <vector>

#include "gigawarp/grid.h"
#include "ops/similarity.h"
#include "ops/step.h"

namespace gigawarp::ops {

/// One channel's metric in a linear stage, at one transform after another: value and sums in one
/// piece of work, for back ends that need not hand a number to the host in between
/// (Backend::linear_evaluation()). Or, where GradientTarget::intensity says so, value and dL/dM of
/// two volumes on one grid; then there are no sums.
class LinearEvaluation {
 public:
  LinearEvaluation() = default;
  virtual ~LinearEvaluation() = default;
  LinearEvaluation(const LinearEvaluation&) = delete;
  LinearEvaluation& operator=(const LinearEvaluation&) = delete;

  /// With `moving_from_fixed` (voxels) in place of the pair's. `sums`: gradients and moments, as
  /// the metric's operation gives them, to the bit.
  virtual StepNumbers::Channel run(const Affine& moving_from_fixed,
                                   std::vector<PlaneSums>& sums) = 0;
};

}  // namespace gigawarp::ops

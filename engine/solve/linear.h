#pragma once
#include <functional>
#include <vector>

#include "solve/objective.h"

namespace gigawarp::solve {

/// Which directions a linear stage may move in.
enum class LinearModel { translation, rigid, similarity, affine };

struct LinearOptions {
  LinearModel model = LinearModel::affine;
  int iterations = 100;
  double convergence =
      1e-7;  ///< stop when the loss falls by less than this share in three steps running
};

struct LinearResult {
  Affine moving_from_fixed;
  double loss = 0;
  int iterations = 0;
  bool converged = false;
  std::vector<double> losses;
};

/// Called after every accepted step with (iteration, loss, step in voxels, moving_from_fixed).
using LinearProgress = std::function<void(int, double, double, const Affine&)>;

/// BFGS with backtracking on the objective, in parameters scaled so that a unit step moves the
/// volume by about one millimetre (rotations and shears through the radius of gyration of the fixed
/// grid). Rotations are applied by the exponential map, so that a rigid transform stays rigid to
/// rounding.
LinearResult solve_linear(Objective& objective, const Affine& start, const LinearOptions& options,
                          const LinearProgress& progress);

}  // namespace gigawarp::solve

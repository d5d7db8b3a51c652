#pragma once
#include <cstdint>
#include <variant>
#include <vector>

#include "ops/similarity.h"
#include "ops/update.h"

/// One iteration of the greedy solver as one piece of work (Backend::begin_step()): for back ends
/// that go through several without the host's seeing a number in between.
namespace gigawarp::ops {

/// The metric of one channel, its gradient going to StepArgs::gradient; MSE's `count` is not known
/// yet, the step finds it.
using ChannelArgs = std::variant<LnccArgs, MiArgs, MseArgs>;

struct StepArgs {
  std::vector<ChannelArgs> channels;
  DirectionArgs direction;
  /// u, and the field beside it. Each part composes from one into the other: after an even number
  /// of parts u is where it was, after an odd one in `beside`, which the gradient is in before.
  FieldView displacement, beside;
  int parts = 1;
  /// Longest step of a part, voxels; the direction is shortened to it where it is longer than one.
  float step_voxels = 1;
  double sigma_voxels = 0.5;  ///< of the last part's smoothing
  float minimum = 0;          ///< RepairArgs::minimum; 0: folds are not looked for
  int sweeps = 0;
};

/// What a step leaves for the host.
struct StepNumbers {
  struct Channel {
    double value = 0;  ///< sum of the voxel losses (LNCC, MSE), or the loss itself (MI)
    double count = 0;  ///< voxels that count
  };
  std::vector<Channel> channels;
  float largest = 0;  ///< what Backend::direction() returns
  FoldRepair folds;
};

}  // namespace gigawarp::ops

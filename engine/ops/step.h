#pragma once
#include <optional>
#include <variant>
#include <vector>

#include "ops/similarity.h"
#include "ops/update.h"

/// One iteration of a deformable solver as one piece of work (Backend::begin_step()): for back ends
/// that go through several without the host's seeing a number in between.
namespace gigawarp::ops {

/// A metric with its gradient; MSE's `count` is not known yet, the step finds it.
using MetricArgs = std::variant<LnccArgs, MiArgs, MseArgs>;

/// Two volumes that meet half way (SyN): each is sampled, a voxel then counts where both reach it
/// (Backend::keep_common()), and both get a gradient.
struct MeetingArgs {
  ImagePair to_moving, to_fixed;  ///< their moving volumes are sampled ...
  SlabView<float> moving, fixed;  ///< ... to here
  MetricArgs back;                ///< the metric with the fixed volume as the moving one
};

struct ChannelArgs {
  MetricArgs metric;
  std::optional<MeetingArgs> meeting;  ///< before the metric, and after it `back`
};

/// One displacement: smoothing, moments, composition, folds.
struct SideArgs {
  DirectionArgs direction;
  /// u, and the field beside it, where the gradient is before. Each part composes from one into the
  /// other: after an even number of parts u is where it was, after an odd one in `beside`.
  FieldView displacement, beside;
};

struct StepArgs {
  std::vector<ChannelArgs> channels;
  std::vector<SideArgs> sides;  ///< one, or SyN's two
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
  struct Side {
    float largest = 0;  ///< what Backend::direction() returns
    FoldRepair folds;
  };
  std::vector<Channel> channels;
  std::vector<Side> sides;
};

}  // namespace gigawarp::ops

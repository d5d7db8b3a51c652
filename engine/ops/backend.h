#pragma once
#include <memory>
#include <vector>

#include "ops/resample.h"
#include "ops/similarity.h"
#include "ops/update.h"

namespace gigawarp::ops {

/// One processor's definition of every operation. Solvers call these and nothing else, so a second
/// processor needs no change in them. `sums` is indexed by global z and must have extent.nz
/// entries; entries of `range` are overwritten.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual void warp(const WarpArgs& args, std::vector<PlaneSums>& sums) = 0;
  virtual void lncc(const LnccArgs& args, std::vector<PlaneSums>& sums) = 0;
  virtual void mi_histogram(const MiArgs& args, JointHistogram& histogram) = 0;  ///< adds
  virtual void mi_gradient(const MiArgs& args, const MiTable& table,
                           std::vector<PlaneSums>& sums) = 0;
  virtual void mse(const MseArgs& args, std::vector<PlaneSums>& sums) = 0;
  /// Returns the largest |d|, voxels.
  virtual float direction(const DirectionArgs& args) = 0;
  virtual void compose(const ComposeArgs& args) = 0;
  virtual FoldRepair repair_folds(const RepairArgs& args) = 0;
  virtual void downsample(const DownsampleArgs& args) = 0;
  virtual void upsample_field(const UpsampleArgs& args) = 0;
};

/// The CPU: threads and SIMD. Results do not depend on the number of threads.
std::unique_ptr<Backend> make_cpu_backend();

}  // namespace gigawarp::ops

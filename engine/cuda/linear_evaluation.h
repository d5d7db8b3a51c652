#pragma once
#include <memory>
#include <vector>

#include "cuda/recorded_graph.h"
#include "ops/linear_evaluation.h"

namespace gigawarp::cuda {

/// A metric with its linear sums, all on the device, then one copy to the host and one wait. Small
/// volumes, whose kernels take no longer than it takes to start them, become a graph: its first run
/// finds the memory, the second records, later ones only change the transform.
class LinearEvaluation final : public ops::LinearEvaluation {
 public:
  /// Of fixed volumes up to so many voxels: beyond, a graph hides nothing and its memory stays.
  static constexpr std::int64_t kGraphVoxels = std::int64_t{1} << 21U;

  LinearEvaluation(Device& device, ops::MetricArgs args);
  ops::StepNumbers::Channel run(const Affine& moving_from_fixed,
                                std::vector<ops::PlaneSums>& sums) override;

 private:
  struct Record;

  ops::ImagePair& pair();
  std::size_t bytes() const;
  void queue(void* landing);
  void run_graph();

  Device& device_;
  ops::MetricArgs args_;
  bool small_ = false, found_ = false;
  KeptBlocks blocks_;
  std::unique_ptr<RecordedGraph> graph_;
};

}  // namespace gigawarp::cuda

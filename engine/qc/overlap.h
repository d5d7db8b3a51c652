#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "gigawarp/volume_feed.h"

namespace gigawarp::qc {

/// How well one label lies on itself.
struct LabelOverlap {
  std::int64_t label = 0;
  std::int64_t fixed_voxels = 0, warped_voxels = 0, common_voxels = 0;
  double dice = 0;      ///< 2 common / (fixed + warped); 0 where one of them is gone
  double hd95_mm = -1;  ///< larger of the two directed 95th percentiles of surface distances;
                        ///< negative: not measured, or one of the two is empty
};

struct OverlapSummary {
  std::vector<LabelOverlap> labels;  ///< ascending label numbers
  double dice_mean = 0, dice_p30 = 0;
  double hd95_mean_mm = -1;  ///< over the labels that have one
};

/// Labels other than 0 that both volumes hold, ascending. Float volumes must hold whole numbers.
std::vector<std::int64_t> common_labels(const Volume& a, const Volume& b);

std::vector<std::int64_t> common_labels(const VolumeFeed& a, const VolumeFeed& b);

/// Dice of labels over parts of two volumes that come one after another. Exact: voxels are counted.
class OverlapCounter {
 public:
  explicit OverlapCounter(std::span<const std::int64_t> labels);
  ~OverlapCounter();
  OverlapCounter(const OverlapCounter&) = delete;
  OverlapCounter& operator=(const OverlapCounter&) = delete;
  /// Two volumes of one size, the same part of both.
  void add(const Volume& fixed, const Volume& warped);
  OverlapSummary summary() const;  ///< without HD95

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Dice of each of `labels` between two volumes of one lattice, and HD95 if asked for. HD95
/// measures from the surface voxels (a face neighbour differs) of one to those of the other, by the
/// exact Euclidean distance transform in mm, cropped to the label. Throws Error{bad_input} when the
/// lattices differ; when `stop` is requested the surface distances of further labels stay out.
OverlapSummary label_overlap(const Volume& fixed, const Volume& warped,
                             std::span<const std::int64_t> labels, bool with_hd95,
                             const std::stop_token& stop = {});

/// The p-th percentile (0…100), linear between order statistics as numpy does it. NaN for none.
double percentile(std::vector<double> values, double p);

}  // namespace gigawarp::qc

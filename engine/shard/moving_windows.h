#pragma once
#include <map>
#include <vector>

#include "shard/rank_arrays.h"
#include "shard/reach.h"

namespace gigawarp::shard {

/// Of volumes that are sampled wherever the transform leads, each rank keeps the box its planes can
/// reach: in place, as planes of the array, where the box is nearly that; otherwise (large
/// rotations) as a copy of the box alone, which a view with strides of its own makes look like the
/// whole volume. Either way operations run unchanged and give the bits they give on the whole, and
/// a rank holds no more than the box of a slab, however many ranks there are.
///
/// Passing shards round a ring, each sampled in turn, would hold less only where a slab lies
/// oblique in the moving volume, at the price of metrics that can be evaluated in parts. Turned
/// about all axes by a third, a slab's box is nearly the whole volume (2 bytes per voxel of a rank
/// of some 30 bytes per voxel of its slab); the plan counts the slab's share of it.
class MovingWindows {
 public:
  MovingWindows(ops::RankParts& parts, Communicator& communicator, RankArrays& arrays,
                Exchange& exchange, std::vector<double> shares, std::int64_t multiple)
      : parts_(parts),
        communicator_(communicator),
        arrays_(arrays),
        exchange_(exchange),
        shares_(std::move(shares)),
        multiple_(multiple) {}

  /// Whether all ranks have what these boxes (by rank) need already.
  bool covers(const ops::ImageView& view, const std::vector<VoxelBox>& boxes) const;
  /// Brings every rank its box.
  void fetch(const ops::ImageView& view, const std::vector<VoxelBox>& boxes);
  /// The volume as this rank's operations may sample it inside its box.
  ops::ImageView local(const ops::ImageView& view) const;

 private:
  struct Window {
    std::uint64_t array = 0, version = 0;  ///< RankArray's
    std::vector<VoxelBox> boxes;           ///< by rank
    ops::Array copy;                       ///< of this rank's box, unless in place
  };
  bool is_copied(const ops::ImageView& view, const VoxelBox& box) const;
  ops::Array allocate(std::size_t bytes) const;  ///< counted as the rank's
  void copy_boxes(const ops::ImageView& view, Window& window);
  const Window* current(const ops::ImageView& view) const;

  ops::RankParts& parts_;
  Communicator& communicator_;
  RankArrays& arrays_;
  Exchange& exchange_;
  std::vector<double> shares_;
  std::int64_t multiple_;
  std::map<const void*, Window> windows_;  ///< by the volume's address
};

}  // namespace gigawarp::shard

#pragma once
#include <array>
#include <cstdint>

#include "gigawarp/transform.h"
#include "ops/view.h"

namespace gigawarp::shard {

/// Least and greatest displacement along each axis, voxels of the field's grid.
struct ShiftRange {
  std::array<float, 3> low{}, high{};
  /// Of the sum of a displacement and another no longer than `step` along any axis.
  ShiftRange grown(float step) const;
  ShiftRange joined(const ShiftRange& other) const;
};

/// Voxels [begin, end) per axis.
struct VoxelBox {
  std::array<std::int64_t, 3> begin{}, end{};
  bool empty() const { return begin[2] >= end[2]; }
  std::int64_t voxels() const;
  bool contains(const VoxelBox& other) const;
};

/// What samplers do for planes of a fixed grid: they look at T(i + u(i)), for u within some range,
/// and at its edge where that lies beyond the moving grid.
struct Sampling {
  ops::Extent fixed;
  ops::ZRange planes;
  Affine moving_from_fixed;  ///< T
  ShiftRange displacement;
  ops::Extent moving;
};

/// The box of moving voxels that the samplers may read: T of the planes' box, widened by the
/// displacements, by both corners of interpolation and by `margin` voxels. Empty for no planes.
VoxelBox reach(const Sampling& sampling, double margin);

/// The same by rows. Where planes lie obliquely in the moving volume, their box is nearly all of
/// it; of each row they reach no more than their thickness.
class RowReach {
 public:
  RowReach(const Sampling& sampling, double margin);
  /// False for maps that are not invertible, displacements that are not numbers, and no planes.
  bool is_known() const { return is_known_; }
  struct Columns {
    std::int64_t begin = 0, end = 0;
    std::int64_t count() const { return end - begin; }
  };
  /// Voxels [begin, end) of row (y, z); none are reached where they are equal. Only if is_known().
  Columns columns(std::int64_t y, std::int64_t z) const;

 private:
  struct Range {
    double low = 0, high = 0;
  };
  /// Points from which samplers read row or plane i, as far as T leads there.
  Range around(std::int64_t i, std::size_t axis) const;

  bool is_known_ = false;
  double beyond_;                       ///< voxels around a point that count as read
  std::array<std::int64_t, 3> size_{};  ///< of the moving volume
  std::array<Range, 3> there_{};        ///< of T(i + u)
  std::array<Range, 3> here_{};         ///< of i + u
  Affine fixed_from_moving_;
};

/// Whether all that one sampling reads lies within `margin` voxels of what another reads. False in
/// doubt.
bool reads_within(const Sampling& sampling, const Sampling& other, double margin);

}  // namespace gigawarp::shard

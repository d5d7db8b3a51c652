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

/// Moving voxels that the samplers may read for planes of the fixed grid: T of the planes' box,
/// widened by the displacements, by both corners of interpolation and by `margin` voxels; what lies
/// beyond the moving grid is sampled at its edge. Empty for no planes.
VoxelBox reach(const ops::Extent& fixed, ops::ZRange planes, const Affine& moving_from_fixed,
               const ShiftRange& displacement, const ops::Extent& moving, double margin);

}  // namespace gigawarp::shard

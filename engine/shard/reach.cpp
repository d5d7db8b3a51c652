#include "shard/reach.h"

#include <algorithm>
#include <cmath>

namespace gigawarp::shard {

ShiftRange ShiftRange::grown(float step) const {
  ShiftRange out = *this;
  for (std::size_t a = 0; a < 3; ++a) {
    out.low[a] -= step;
    out.high[a] += step;
  }
  return out;
}

ShiftRange ShiftRange::joined(const ShiftRange& other) const {
  ShiftRange out;
  for (std::size_t a = 0; a < 3; ++a) {
    out.low[a] = std::min(low[a], other.low[a]);
    out.high[a] = std::max(high[a], other.high[a]);
  }
  return out;
}

std::int64_t VoxelBox::voxels() const {
  return empty() ? 0 : (end[0] - begin[0]) * (end[1] - begin[1]) * (end[2] - begin[2]);
}

bool VoxelBox::contains(const VoxelBox& other) const {
  if (other.empty()) return true;
  for (std::size_t a = 0; a < 3; ++a)
    if (other.begin[a] < begin[a] || other.end[a] > end[a]) return false;
  return !empty();
}

VoxelBox reach(const ops::Extent& fixed, ops::ZRange planes, const Affine& moving_from_fixed,
               const ShiftRange& displacement, const ops::Extent& moving, double margin) {
  VoxelBox box;
  if (planes.begin >= planes.end) return box;
  const std::array<std::int64_t, 3> first{0, 0, planes.begin},
      last{fixed.nx - 1, fixed.ny - 1, planes.end - 1}, size{moving.nx, moving.ny, moving.nz};
  for (std::size_t r = 0; r < 3; ++r) {
    double low = moving_from_fixed.offset[r], high = low;
    for (std::size_t c = 0; c < 3; ++c) {
      const double t = moving_from_fixed.linear[r][c];
      const double a = t * (static_cast<double>(first[c]) + displacement.low[c]),
                   b = t * (static_cast<double>(last[c]) + displacement.high[c]);
      low += std::min(a, b);
      high += std::max(a, b);
    }
    // One voxel more on either side: samplers work in single precision, and round corners.
    const double end = static_cast<double>(size[r]) - 1;
    if (!(low >= -1e15 && high <= 1e15)) {  // a displacement that is not a number: all of it
      low = 0;
      high = end;
    }
    const double lowest = std::clamp(std::floor(low - margin) - 1, 0.0, std::max(0.0, end - 1)),
                 highest =
                     std::clamp(std::floor(high + margin) + 2, std::min(lowest + 1, end), end);
    box.begin[r] = static_cast<std::int64_t>(lowest);
    box.end[r] = static_cast<std::int64_t>(highest) + 1;
  }
  return box;
}

}  // namespace gigawarp::shard

#pragma once
#include <cstdint>

#include "gigawarp/grid.h"

namespace gigawarp {

/// Voxels begin … begin + size of a lattice.
struct Box {
  Size3 begin{0, 0, 0}, size{0, 0, 0};
  std::int64_t voxel_count() const { return size[0] * size[1] * size[2]; }
  friend bool operator==(const Box&, const Box&) = default;
};

/// Where `box` of the volume that `order` makes of one of `source` voxels lies in that one.
Box in_source(const Box& box, const AxisOrder& order, const Size3& source);

}  // namespace gigawarp

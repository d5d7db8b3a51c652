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

}  // namespace gigawarp

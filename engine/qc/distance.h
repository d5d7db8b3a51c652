#pragma once
#include <cstdint>
#include <vector>

#include "gigawarp/grid.h"

namespace gigawarp::qc {

/// Exact squared Euclidean distance (mm^2) from every voxel to the nearest set voxel of `seeds`, on
/// a box of `size` voxels of `spacing_mm`; infinity when none is set. Felzenszwalb and
/// Huttenlocher, Distance Transforms of Sampled Functions, 2012.
std::vector<float> squared_distance_mm2(const std::vector<std::uint8_t>& seeds, const Size3& size,
                                        const Vec3& spacing_mm);

}  // namespace gigawarp::qc

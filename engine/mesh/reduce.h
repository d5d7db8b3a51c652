#pragma once
#include <cstdint>
#include <stop_token>

#include "gigawarp/volume.h"

namespace gigawarp::mesh {

/// How many voxels of each axis become one so that at most `most_voxels` are left; the same for
/// all axes but for those that are much coarser (thick slices), which stay as they are.
Size3 shrink_to(const Grid& grid, std::int64_t most_voxels);

/// The lattice of the boxes' middles; boxes that stick out at the far end have theirs where the
/// others have it.
Grid boxes_of(const Grid& grid, const Size3& shrink);

/// Means of boxes of `shrink` voxels, f32; what is left over at the far ends makes smaller boxes.
/// Channel 0. NaN counts as 0. Empty when `stop` was requested.
Volume box_means(const Volume& volume, const Size3& shrink, const std::stop_token& stop = {});

/// The value of the middle voxel of each box, in the volume's own type: for labels.
Volume box_middles(const Volume& volume, const Size3& shrink, const std::stop_token& stop = {});

}  // namespace gigawarp::mesh

#pragma once
#include <memory>

#include "io/brick_source.h"

namespace gigawarp::io {

/// `source` as a pyramid whose coarsest level has at most `most_voxels` (and, for views, is soon
/// read). Levels that the file lacks are made on reading by taking every second voxel of the level
/// before: samples, never averages, so that they cost no pass over the volume and hold for labels
/// as for intensities; a note of info() says so. Axes of up to 64 voxels are not halved. Of a file
/// without bricks of its own only the rows that are wanted are read, in bricks of about a mebibyte;
/// of one in chunks every chunk of the coarsest level it has is decoded once for a whole level.
std::shared_ptr<const BrickSource> with_coarse_levels(std::shared_ptr<const BrickSource> source,
                                                      std::int64_t most_voxels);

}  // namespace gigawarp::io

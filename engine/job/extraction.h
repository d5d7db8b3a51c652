#pragma once
#include "gigawarp/volume_feed.h"

namespace gigawarp::job {

/// What tells a brain-extracted volume from a whole head; channel 0 of a checked volume (finite,
/// not constant).
struct Extraction {
  double zero_share = 0;    ///< voxels that are exactly zero
  double zero_faces = 0;    ///< the same on the face of the volume that has fewest
  double bright_rim = 0;    ///< share of the voxels beside a zero that are as bright as tissue
  double not_zero_mm3 = 0;  ///< volume of the voxels that are not zero
  double tissue_mm3 = 0;    ///< of those clearly above the smallest value: neither air nor noise

  /// Cut out: zeros all around, and tissue, not a fading rim or noise, directly beside them.
  /// Heads reach a face with the neck or keep their noise; brains cut with their dark fluid are
  /// not told from heads with blackened air, and do not count.
  bool cut_out() const;
};
/// A volume of more than `every_voxel` voxels that is not in memory is looked at on some planes
/// only, a brick's depth or 16 apart, as its file has them cheapest; shares of zeros and the
/// thresholds are still of all voxels where the feed knows its statistics.
constexpr std::int64_t kEveryVoxel = std::int64_t{256} << 20;
Extraction examine_extraction(const VolumeFeed& volume, std::int64_t every_voxel = kEveryVoxel);

/// Fixed alone: it was cut out, and the moving volume was not and shows clearly more than it. Then
/// what surrounds the fixed brain is no background that the moving tissue there could be compared
/// with. Perhaps: much more of the fixed volume than of the moving one is zero, but its rim fades.
enum class ExtractedSide { neither_or_both, fixed_alone, fixed_alone_perhaps };
ExtractedSide compare_extraction(const VolumeFeed& fixed, const VolumeFeed& moving,
                                 std::int64_t every_voxel = kEveryVoxel);

}  // namespace gigawarp::job

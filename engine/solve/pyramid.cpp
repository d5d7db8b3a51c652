#include "solve/pyramid.h"

#include <algorithm>
#include <cmath>

namespace gigawarp::solve {
namespace {

/// Fewer voxels along an axis than this say nothing about shape, and joint histograms overfit.
constexpr std::int64_t kFewestVoxels = 20;

LevelGrid with_shrink(const Grid& full, const std::array<int, 3>& shrink) {
  LevelGrid out;
  out.shrink = shrink;
  Affine full_from_level;
  for (int a = 0; a < 3; ++a) {
    out.grid.size[a] = (full.size[a] + shrink[a] - 1) / shrink[a];
    full_from_level.linear[a][a] = shrink[a];
    full_from_level.offset[a] = 0.5 * (shrink[a] - 1);
  }
  out.grid.world_from_voxel = full.world_from_voxel * full_from_level;
  return out;
}

}  // namespace

LevelGrid level_grid(const Grid& full, double spacing_mm) {
  const Vec3 spacing = full.spacing_mm();
  std::array<int, 3> shrink{};
  for (int a = 0; a < 3; ++a) {
    const auto wanted = static_cast<int>(std::lround(spacing_mm / spacing[a]));
    const auto most = static_cast<int>(std::max<std::int64_t>(1, full.size[a] / kFewestVoxels));
    shrink[a] = std::clamp(wanted, 1, most);
  }
  return with_shrink(full, shrink);
}

double level_spacing_mm(const Grid& full, int shrink) {
  const Vec3 spacing = full.spacing_mm();
  return shrink * std::min({spacing[0], spacing[1], spacing[2]});
}

LevelGrid level_grid(const Grid& full, int shrink) {
  return level_grid(full, level_spacing_mm(full, shrink));
}

}  // namespace gigawarp::solve

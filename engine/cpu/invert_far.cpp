#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "ops/invert_field.h"

namespace gigawarp {

namespace {
constexpr double kMostOff = 0.01;    // share of a field's voxels that may lead off its lattice
constexpr double kMostVoxels = 4.0;  // of an inverse's lattice, for each of the field's

/// Where a field leads the voxels of its grid, in voxels of that grid.
struct FieldImage {
  std::int64_t count = 0;  ///< voxels that it leads anywhere
  std::int64_t off = 0;    ///< of these, beyond its own grid
  Vec3 low, high, sum_mm{0, 0, 0};

  FieldImage() {
    low.fill(std::numeric_limits<double>::infinity());
    high.fill(-std::numeric_limits<double>::infinity());
  }
  bool stays() const { return static_cast<double>(off) <= kMostOff * static_cast<double>(count); }
};

FieldImage image_of_plane(const DisplacementField& field, const Affine& voxel_from_world,
                          std::int64_t z) {
  const Size3& n = field.grid().size;
  FieldImage out;
  for (std::int64_t y = 0; y < n[1]; ++y)
    for (std::int64_t x = 0; x < n[0]; ++x) {
      const std::int64_t i = (z * n[1] + y) * n[0] + x;
      const Vec3 u{field.component_mm(0)[i], field.component_mm(1)[i], field.component_mm(2)[i]};
      if (!std::isfinite(u[0] + u[1] + u[2])) continue;
      const Vec3 shift = voxel_from_world.map_vector(u);
      const Vec3 p{static_cast<double>(x) + shift[0], static_cast<double>(y) + shift[1],
                   static_cast<double>(z) + shift[2]};
      bool off = false;
      for (std::size_t a = 0; a < 3; ++a) {
        out.low[a] = std::min(out.low[a], p[a]);
        out.high[a] = std::max(out.high[a], p[a]);
        out.sum_mm[a] += u[a];
        off = off || p[a] < -0.5 || p[a] > static_cast<double>(n[a]) - 0.5;
      }
      out.off += off ? 1 : 0;
      ++out.count;
    }
  return out;
}

FieldImage image_of(const DisplacementField& field) {
  const Affine voxel_from_world = field.grid().voxel_from_world();
  std::vector<FieldImage> planes(static_cast<std::size_t>(field.grid().size[2]));
  parallel_for(field.grid().size[2], [&](std::int64_t z) {
    planes[static_cast<std::size_t>(z)] = image_of_plane(field, voxel_from_world, z);
  });
  FieldImage out;
  for (const FieldImage& plane : planes) {
    out.count += plane.count;
    out.off += plane.off;
    for (std::size_t a = 0; a < 3; ++a) {
      out.low[a] = std::min(out.low[a], plane.low[a]);
      out.high[a] = std::max(out.high[a], plane.high[a]);
      out.sum_mm[a] += plane.sum_mm[a];
    }
  }
  return out;
}

/// The voxels of a grid from `low` to `high`, which may lie beyond it; nothing where they are too
/// many.
std::optional<Grid> part_of(const Grid& grid, const Vec3& low, const Vec3& high) {
  Grid out = grid;
  double voxels = 1;
  for (std::size_t a = 0; a < 3; ++a) voxels *= std::ceil(high[a]) - std::floor(low[a]) + 1;
  if (!(voxels <= kMostVoxels * static_cast<double>(grid.voxel_count()))) return std::nullopt;
  Vec3 first{};
  for (std::size_t a = 0; a < 3; ++a) {
    first[a] = std::floor(low[a]);
    out.size[a] = static_cast<std::int64_t>(std::ceil(high[a]) - first[a]) + 1;
  }
  out.world_from_voxel.offset = grid.world_from_voxel(first);
  return out;
}

/// The displacements less `shift_mm`, said to lie on `grid`, which has the field's size.
DisplacementField less(const DisplacementField& field, const Vec3& shift_mm, const Grid& grid) {
  DisplacementField out(grid);
  parallel_for(grid.size[2], [&](std::int64_t z) {
    const std::int64_t plane = grid.size[0] * grid.size[1];
    for (int a = 0; a < 3; ++a)
      for (std::int64_t i = z * plane; i < (z + 1) * plane; ++i)
        out.component_mm(a)[i] = static_cast<float>(static_cast<double>(field.component_mm(a)[i]) -
                                                    shift_mm[static_cast<std::size_t>(a)]);
  });
  return out;
}
}  // namespace

Grid inverse_lattice(const DisplacementField& forward) {
  const Grid& grid = forward.grid();
  const FieldImage image = image_of(forward);
  if (image.stays()) return grid;
  Vec3 low = image.low, high = image.high;
  for (std::size_t a = 0; a < 3; ++a) {
    low[a] = std::min(low[a], 0.0);
    high[a] = std::max(high[a], static_cast<double>(grid.size[a] - 1));
  }
  std::optional<Grid> out = part_of(grid, low, high);
  if (!out) out = part_of(grid, image.low, image.high);
  if (!out)
    throw Error(
        ErrorCode::bad_input,
        "A displacement field leads its voxels so far apart that no lattice for its inverse "
        "could be chosen; run gigawarp invert with --reference, an image of the space that "
        "it leads to, and use its result.");
  return *out;
}

DisplacementField invert_far(const DisplacementField& forward, const Grid& target,
                             int max_iterations, double tolerance_mm, const std::stop_token& stop) {
  const FieldImage image = image_of(forward);
  if (image.stays()) return invert(forward, target, max_iterations, tolerance_mm, stop);
  // y = x + u(x) is y - t = x + (u(x) - t), whose inverse v' gives that of u: v(y) = v'(y - t) - t.
  Vec3 shift{};
  Grid nearer = target;
  for (std::size_t a = 0; a < 3; ++a) {
    shift[a] = image.sum_mm[a] / static_cast<double>(image.count);
    nearer.world_from_voxel.offset[a] -= shift[a];
  }
  return less(
      invert(less(forward, shift, forward.grid()), nearer, max_iterations, tolerance_mm, stop),
      shift, target);
}

}  // namespace gigawarp

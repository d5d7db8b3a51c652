#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "phantom/phantom.h"

namespace gigawarp::phantom {
namespace {

/// Points of the fixed image and where they should go.
struct Pairs {
  std::vector<Vec3> from, want;
};

bool inside(const Grid& grid, const Affine& voxel_from_world, const Vec3& p) {
  const Vec3 v = voxel_from_world(p);
  for (int a = 0; a < 3; ++a)
    if (!(v[a] >= 0 && v[a] <= static_cast<double>(grid.size[a] - 1))) return false;
  return true;
}

Pairs pairs_of_row(const Phantom& phantom, std::int64_t stride, std::int64_t y, std::int64_t z,
                   const std::uint8_t* labels, const Volume* mask) {
  const Grid& grid = phantom.grid(Side::fixed);
  const Affine moving_voxel = phantom.grid(Side::moving).voxel_from_world();
  Pairs out;
  for (std::int64_t x = 0; x < grid.size[0]; x += stride) {
    if (mask ? mask->value(x, y, z) == 0 : labels[y * grid.size[0] + x] == 0) continue;
    const Vec3 p = grid.world_from_voxel(
        {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
    const Vec3 want = phantom.map(p);
    if (!inside(phantom.grid(Side::moving), moving_voxel, want)) continue;
    out.from.push_back(p);
    out.want.push_back(want);
  }
  return out;
}

/// Maps the pairs, adds their distances, and forgets them.
void measure(const PointMap& map, Pairs& pairs, std::vector<float>& mm, std::int64_t& undefined) {
  map(pairs.from);
  for (std::size_t i = 0; i < pairs.from.size(); ++i) {
    const Vec3 &got = pairs.from[i], &want = pairs.want[i];
    if (std::isnan(got[0]))
      ++undefined;
    else
      mm.push_back(
          static_cast<float>(std::hypot(got[0] - want[0], got[1] - want[1], got[2] - want[2])));
  }
  pairs = {};
}

/// Points that are mapped at once, so that a map that reads a file reads it about once.
constexpr std::size_t kPoints = std::size_t{1} << 20;

}  // namespace

MapError known_map_error(const Transform& transform, const Phantom& phantom, const Volume* mask) {
  return known_map_error(point_map(transform), phantom, mask);
}

MapError known_map_error(const PointMap& map, const Phantom& phantom, const Volume* mask) {
  const Grid& grid = phantom.grid(Side::fixed);
  if (mask && !mask->grid().same_lattice(grid))
    throw Error(ErrorCode::usage,
                "The mask for the known-map error is not on the grid of the phantom's fixed image.",
                "mask");
  std::int64_t stride = 1;
  while (grid.voxel_count() / (stride * stride * stride) > 8'000'000) ++stride;
  const std::int64_t planes = (grid.size[2] + stride - 1) / stride;
  std::vector<std::uint8_t> labels(static_cast<std::size_t>(grid.size[0] * grid.size[1]));
  const std::int64_t rows = (grid.size[1] + stride - 1) / stride;
  std::vector<Pairs> per_row(static_cast<std::size_t>(rows));
  std::vector<float> all;
  Pairs some;
  MapError out;
  for (std::int64_t k = 0; k < planes; ++k) {
    if (!mask) phantom.label_slab(Side::fixed, k * stride, k * stride + 1, labels.data());
    parallel_for(rows, [&](std::int64_t r) {
      per_row[static_cast<std::size_t>(r)] =
          pairs_of_row(phantom, stride, r * stride, k * stride, labels.data(), mask);
    });
    for (const Pairs& row : per_row) {
      some.from.insert(some.from.end(), row.from.begin(), row.from.end());
      some.want.insert(some.want.end(), row.want.begin(), row.want.end());
    }
    if (some.from.size() >= kPoints || k + 1 == planes) measure(map, some, all, out.undefined);
  }
  out.points = static_cast<std::int64_t>(all.size());
  if (all.empty()) return out;
  double sum = 0;
  for (const float e : all) sum += e;
  out.mean_mm = sum / static_cast<double>(all.size());
  const auto p95 =
      all.begin() + static_cast<std::ptrdiff_t>(0.95 * static_cast<double>(all.size() - 1));
  std::nth_element(all.begin(), p95, all.end());
  out.p95_mm = *p95;
  out.max_mm = *std::max_element(p95, all.end());
  const Vec3 spacing = grid.spacing_mm();
  const double voxel = std::min({spacing[0], spacing[1], spacing[2]});
  out.mean_voxels = out.mean_mm / voxel;
  out.p95_voxels = out.p95_mm / voxel;
  out.max_voxels = out.max_mm / voxel;
  return out;
}

}  // namespace gigawarp::phantom

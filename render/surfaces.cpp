#include "render/surfaces.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "mesh/reduce.h"
#include "render/warped_slice.h"

namespace gigawarp::render {
namespace {

/// A head at 1 mm keeps its voxels; beyond, triangles would be smaller than the pixels of a view.
constexpr std::int64_t kSurfaceVoxels = 4'000'000, kLabelVoxels = 8'000'000,
                       kVolumeVoxels = 4'000'000;
constexpr std::size_t kMostLabels = 250;

}  // namespace

std::shared_ptr<const mesh::SurfaceMesh> head_surface(const Volume& volume, double threshold,
                                                      const std::stop_token& stop) {
  auto surface = std::make_shared<mesh::SurfaceMesh>(
      mesh::isosurface(volume, threshold, kSurfaceVoxels, stop));
  if (stop.stop_requested()) return nullptr;
  return surface;
}

std::shared_ptr<const Volume> head_bytes(const Volume& volume, const Window& window,
                                         const std::stop_token& stop) {
  const Volume means = mesh::box_means(volume, mesh::shrink_to(volume.grid(), kVolumeVoxels), stop);
  if (stop.stop_requested()) return nullptr;
  auto bytes = std::make_shared<Volume>(means.grid(), ScalarType::u8);
  const auto* from = means.channel<float>();
  auto* to = bytes->channel<std::uint8_t>();
  const Size3 n = means.grid().size;
  parallel_for(n[2], [&](std::int64_t z) {
    for (std::int64_t i = z * n[0] * n[1]; i < (z + 1) * n[0] * n[1]; ++i)
      to[i] = static_cast<std::uint8_t>(std::lround(255 * window(from[i])));
  });
  return bytes;
}

std::shared_ptr<const LabelSurfaces> surfaces_of_labels(const Volume& labels,
                                                        const std::stop_token& stop) {
  auto surfaces = std::make_shared<LabelSurfaces>(
      mesh::label_surfaces(labels, kLabelVoxels, kMostLabels, stop));
  if (stop.stop_requested()) return nullptr;
  return surfaces;
}

Volume labels_on_grid(const Volume& labels, const Transform* warp, const Grid& grid,
                      const std::stop_token& stop) {
  const Grid small = mesh::boxes_of(grid, mesh::shrink_to(grid, kLabelVoxels));
  Volume out(small, ScalarType::i32);
  SliceGeometry plane;
  plane.width = static_cast<int>(small.size[0]);
  plane.height = static_cast<int>(small.size[1]);
  const Affine& world = small.world_from_voxel;
  for (std::size_t a = 0; a < 3; ++a) {
    plane.right_mm[a] = world.linear[a][0];
    plane.down_mm[a] = world.linear[a][1];
  }
  auto* to = out.channel<std::int32_t>();
  for (std::int64_t z = 0; z < small.size[2] && !stop.stop_requested(); ++z) {
    plane.origin_mm = world({0, 0, static_cast<double>(z)});
    const SliceImage slice = sample_warped(labels, warp, plane, SliceInterpolation::label, stop);
    for (const float pixel : slice.values) *to++ = label_of(pixel);
  }
  return out;
}

}  // namespace gigawarp::render

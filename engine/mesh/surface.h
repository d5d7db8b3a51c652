#pragma once
#include <array>
#include <cstdint>
#include <stop_token>
#include <vector>

#include "gigawarp/volume.h"

namespace gigawarp::mesh {

/// Triangles in world space (LPS mm), turned anticlockwise as seen from outside; unit normals per
/// point, outwards.
struct SurfaceMesh {
  std::vector<std::array<float, 3>> points_mm, normals;
  std::vector<std::array<std::uint32_t, 3>> triangles;
  std::array<Vec3, 2> box_mm{};  ///< low and high corner of what triangles use
  bool empty() const { return triangles.empty(); }
};

/// The volume inside a closed mesh, mm³; negative when it is inside out.
double enclosed_mm3(const SurfaceMesh& mesh);

/// The surface of what is brighter than `threshold` in channel 0: closed, also where tissue reaches
/// the end of the volume. Means of boxes of voxels are taken until `most_voxels` are left, and
/// smoothed over two neighbours; specks with less than a hundredth of the largest piece's triangles
/// are left out. Blocks, threaded; an empty mesh when nothing is brighter or `stop` was requested.
SurfaceMesh isosurface(const Volume& volume, double threshold, std::int64_t most_voxels,
                       const std::stop_token& stop = {});

struct LabelSurface {
  std::int64_t label = 0;
  std::int64_t voxels = 0;  ///< of the label volume
  SurfaceMesh mesh;
};

/// A closed surface around every label but 0, by label; the `most_labels` largest. The volume is
/// thinned out to `most_voxels`; labels that vanish by that have an empty mesh. Blocks, threaded;
/// an empty list when `stop` was requested.
std::vector<LabelSurface> label_surfaces(const Volume& labels, std::int64_t most_voxels,
                                         std::size_t most_labels, const std::stop_token& stop = {});

}  // namespace gigawarp::mesh

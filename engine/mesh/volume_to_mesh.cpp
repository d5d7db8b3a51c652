#include "mesh/volume_to_mesh.h"

#include <algorithm>

#include "base/loaded_module.h"
#include "gigawarp/error.h"
#include "mesh/mesh_module.h"

namespace gigawarp::mesh {
namespace {

void take_points(void* owner, const float* positions, std::size_t count) {
  auto& points = static_cast<SurfaceMesh*>(owner)->points_mm;
  points.reserve(count);
  for (std::size_t i = 0; i < count; ++i, positions += 3)
    points.push_back({positions[0], positions[1], positions[2]});
}

void take_quads(void* owner, const std::uint32_t* q, std::size_t count) {
  auto& triangles = static_cast<SurfaceMesh*>(owner)->triangles;
  triangles.reserve(2 * count);
  for (std::size_t i = 0; i < count; ++i, q += 4) {
    triangles.push_back({q[0], q[1], q[2]});
    triangles.push_back({q[0], q[2], q[3]});
  }
}

}  // namespace

SurfaceMesh volume_to_mesh(const std::vector<float>& field, const Size3& size, float threshold) {
  SurfaceMesh mesh;
  if (field.empty() || *std::max_element(field.begin(), field.end()) <= threshold) return mesh;
  static const auto work = reinterpret_cast<VolumeToMesh>(
      function_of_module(kMeshModule, kVolumeToMesh, "Surfaces cannot be made"));
  const DenseField dense{field.data(), {size[0], size[1], size[2]}};
  const MeshTaker taker{&mesh, take_points, take_quads};
  if (work(&dense, threshold, &taker) == 0)
    throw Error(ErrorCode::does_not_fit, "There is not enough memory for the surfaces.", "surface");
  return mesh;
}

}  // namespace gigawarp::mesh

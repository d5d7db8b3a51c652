#pragma once
#include <cstddef>
#include <cstdint>

/// Between gigawarp_mesh and the module that holds OpenVDB. Plain C, so that neither needs the
/// other's symbols.
namespace gigawarp::mesh {

struct DenseField {
  const float* values;  ///< x fastest, then y, z
  std::int64_t size[3];
};

/// Gets the mesh: positions in voxels, then quads of points, anticlockwise as seen from outside.
struct MeshTaker {
  void* owner;
  void (*points)(void* owner, const float* positions, std::size_t count);
  void (*quads)(void* owner, const std::uint32_t* corners, std::size_t count);
};

/// Meshes what exceeds the threshold, closed at the field's ends. 0 when memory was short. Any
/// thread.
using VolumeToMesh = int (*)(const DenseField* field, float threshold, const MeshTaker* taker);
inline constexpr const char* kVolumeToMesh = "gigawarp_volume_to_mesh";
inline constexpr const char* kMeshModule = "gigawarp_openvdb.so";

}  // namespace gigawarp::mesh

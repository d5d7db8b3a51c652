#include <openvdb/openvdb.h>
#include <openvdb/tools/Dense.h>
#include <openvdb/tools/VolumeToMesh.h>

#include <algorithm>
#include <exception>

#include "mesh/mesh_module.h"

// The whole of the module: it is loaded when the first surface is made, so that runs and verbs do
// without OpenVDB's 30 MiB.
namespace {

using gigawarp::mesh::DenseField;

/// Inside is negative, as OpenVDB's level sets have it. One voxel around the field is outside.
openvdb::FloatGrid::Ptr level_set(const DenseField& field, float threshold) {
  const auto last = [&](int axis) { return static_cast<openvdb::Int32>(field.size[axis] - 1); };
  const openvdb::CoordBBox box(openvdb::Coord(0), openvdb::Coord(last(0), last(1), last(2)));
  const std::size_t count = static_cast<std::size_t>(field.size[0]) *
                            static_cast<std::size_t>(field.size[1]) *
                            static_cast<std::size_t>(field.size[2]);
  std::vector<float> inverted(count);
  std::transform(field.values, field.values + count, inverted.begin(),
                 [threshold](float value) { return threshold - value; });
  const float outside = std::max(1e-6F, *std::max_element(inverted.begin(), inverted.end()));
  const openvdb::tools::Dense<float, openvdb::tools::LayoutXYZ> dense(box, inverted.data());
  auto grid = openvdb::FloatGrid::create(outside);
  openvdb::tools::copyFromDense(dense, *grid, 0.0F);
  return grid;
}

}  // namespace

extern "C" int gigawarp_volume_to_mesh(const DenseField* field, float threshold,
                                       const gigawarp::mesh::MeshTaker* taker) noexcept {
  try {
    openvdb::initialize();
    std::vector<openvdb::Vec3s> points;
    std::vector<openvdb::Vec4I> quads;
    openvdb::tools::volumeToMesh(*level_set(*field, threshold), points, quads, 0.0);
    static_assert(sizeof(openvdb::Vec3s) == 3 * sizeof(float) &&
                  sizeof(openvdb::Vec4I) == 4 * sizeof(std::uint32_t));
    taker->points(taker->owner, points.empty() ? nullptr : points.front().asPointer(),
                  points.size());
    taker->quads(taker->owner, quads.empty() ? nullptr : quads.front().asPointer(), quads.size());
    return 1;
  } catch (const std::exception&) {
    return 0;
  }
}

#pragma once
#include <vector>

#include "mesh/surface.h"

namespace gigawarp::mesh {

/// The surface of what exceeds `threshold` in a dense field (x fastest, then y, z), closed at the
/// field's ends, in voxel positions and without normals. OpenVDB's dual contouring.
SurfaceMesh volume_to_mesh(const std::vector<float>& field, const Size3& size, float threshold);

}  // namespace gigawarp::mesh

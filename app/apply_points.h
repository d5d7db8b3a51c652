#pragma once
#include <optional>
#include <string>
#include <vector>

#include "io/surface_file.h"

namespace gigawarp::app {

struct PointOptions {
  std::vector<std::string> transforms;
  bool inverse = false;
  std::string input, out, progress = "auto";  ///< `input`: landmarks, or a surface
  std::optional<io::SurfaceSpace> space;
};

/// "lps" or "ras". Throws Error{usage}.
io::SurfaceSpace mesh_space(const std::string& name);

/// apply --points: landmarks where the transforms lead them.
void apply_to_points(const PointOptions& options);
/// apply --mesh: the surface with its points where they would lead landmarks.
void apply_to_mesh(const PointOptions& options);

}  // namespace gigawarp::app

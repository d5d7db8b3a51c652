#pragma once
#include <optional>
#include <string>
#include <vector>

#include "io/surface_file.h"

namespace gigawarp::app {

struct MeshOptions {
  std::vector<std::string> transforms;
  bool inverse = false;
  std::string mesh, out, progress = "auto";
  std::optional<io::SurfaceSpace> space;
};

/// "lps" or "ras". Throws Error{usage}.
io::SurfaceSpace mesh_space(const std::string& name);

/// Writes the surface with its points where the transforms lead them, as `apply --points` does.
void apply_to_mesh(const MeshOptions& options);

}  // namespace gigawarp::app

#pragma once
#include <memory>
#include <stop_token>

#include "mesh/surface.h"
#include "render/compare_modes.h"

namespace gigawarp::render {

/// Parts of a 3-D scene that take a while to make, each null until asked for. Any thread; a null
/// pointer when `stop` was requested.
std::shared_ptr<const mesh::SurfaceMesh> head_surface(const Volume& volume, double threshold,
                                                      const std::stop_token& stop);

/// For volume rendering: thinned out, one byte per voxel over the window.
std::shared_ptr<const Volume> head_bytes(const Volume& volume, const Window& window,
                                         const std::stop_token& stop);

using LabelSurfaces = std::vector<mesh::LabelSurface>;
std::shared_ptr<const LabelSurfaces> surfaces_of_labels(const Volume& labels,
                                                        const std::stop_token& stop);

/// Labels of the moving image as the warp brings them on to a grid thinned out for surfaces; the
/// nearest label counts.
Volume labels_on_grid(const Volume& labels, const Transform* warp, const Grid& grid,
                      const std::stop_token& stop);

}  // namespace gigawarp::render

#pragma once
#include "render/slice_sampler.h"

namespace gigawarp::render {

/// What one view looks at: the plane of `grid` through `cursor_mm`, with `centre_mm` (world LPS) in
/// the middle of a picture of `width` x `height` pixels of `pixel_mm`.
struct ViewFrame {
  Plane plane = Plane::axial;
  Vec3 cursor_mm{}, centre_mm{};
  double pixel_mm = 1;
  int width = 0, height = 0;
  bool neurological = false;  ///< the patient's left on the left; otherwise radiological
};

/// Unit world vectors of a plane of the grid: to the right and down in the picture, and along its
/// normal towards left, posterior or superior.
struct PlaneDirections {
  Vec3 right{}, down{}, normal{};
  double normal_spacing_mm = 1;  ///< distance of neighbouring slices
};
PlaneDirections plane_directions(const Grid& grid, Plane plane, bool neurological);

SliceGeometry view_geometry(const Grid& grid, const ViewFrame& frame);

/// Pixel (column, row) whose ray along the normal meets a world point.
struct PixelPosition {
  double column = 0, row = 0;
};
PixelPosition pixel_of(const SliceGeometry& geometry, const Vec3& world_mm);

/// Pixel size at which the whole grid fits into a picture, with a small margin, mm.
double fitting_pixel_mm(const Grid& grid, Plane plane, int width, int height);

}  // namespace gigawarp::render

#pragma once
#include "render/slice_sampler.h"

namespace gigawarp::render {

/// No turn: the planes of the grid.
inline constexpr Mat3 kStraight{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};

/// What one view looks at: the plane of `grid` through `cursor_mm`, with `centre_mm` (world LPS) in
/// the middle of a picture of `width` x `height` pixels of `pixel_mm`.
struct ViewFrame {
  Plane plane = Plane::axial;
  Vec3 cursor_mm{}, centre_mm{};
  double pixel_mm = 1;
  int width = 0, height = 0;
  bool neurological = false;  ///< the patient's left on the left; otherwise radiological
  Mat3 turn = kStraight;      ///< of the planes' normals, world
};

/// Unit world vectors of a plane of the grid: to the right and down in the picture, and along its
/// normal towards left, posterior or superior.
struct PlaneDirections {
  Vec3 right{}, down{}, normal{};
  double normal_spacing_mm = 1;  ///< distance of neighbouring slices
};
/// With a `turn` the normals are turned and the picture stays as upright as its plane allows.
PlaneDirections plane_directions(const Grid& grid, Plane plane, bool neurological,
                                 const Mat3& turn = kStraight);
/// The turn about a unit axis by an angle, radians, right-handed.
Mat3 turn_about(const Vec3& axis, double angle);
/// First `turn`, then `more`; its columns made unit and orthogonal again, so that many small turns
/// stay one.
Mat3 turned_further(const Mat3& turn, const Mat3& more);

SliceGeometry view_geometry(const Grid& grid, const ViewFrame& frame);

/// Pixel (column, row) whose ray along the normal meets a world point.
struct PixelPosition {
  double column = 0, row = 0;
};
PixelPosition pixel_of(const SliceGeometry& geometry, const Vec3& world_mm);

/// Pixel size at which the whole grid fits into a picture, with a small margin, mm.
double fitting_pixel_mm(const Grid& grid, Plane plane, int width, int height);

}  // namespace gigawarp::render

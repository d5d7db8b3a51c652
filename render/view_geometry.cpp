#include "render/view_geometry.h"

#include <algorithm>
#include <cmath>

namespace gigawarp::render {
namespace {

double dot(const Vec3& a, const Vec3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

Vec3 column(const Mat3& m, int c, double sign) {
  return {m[0][c] * sign, m[1][c] * sign, m[2][c] * sign};
}

struct Axes {
  int right, down, normal;
  double down_sign;
};

Axes axes_of(Plane plane) {
  switch (plane) {
    case Plane::axial: return {0, 1, 2, 1};
    case Plane::coronal: return {0, 2, 1, -1};
    case Plane::sagittal: break;
  }
  return {1, 2, 0, -1};
}

Grid canonical(const Grid& grid) { return reordered(grid, canonical_order(grid)); }

}  // namespace

PlaneDirections plane_directions(const Grid& stored, Plane plane, bool neurological) {
  const Grid grid = canonical(stored);
  const Axes axes = axes_of(plane);
  const Mat3 direction = grid.direction();
  PlaneDirections out;
  out.right = column(direction, axes.right, neurological && axes.right == 0 ? -1 : 1);
  out.down = column(direction, axes.down, axes.down_sign);
  out.normal = column(direction, axes.normal, 1);
  out.normal_spacing_mm = grid.spacing_mm()[static_cast<std::size_t>(axes.normal)];
  return out;
}

SliceGeometry view_geometry(const Grid& grid, const ViewFrame& frame) {
  const PlaneDirections directions = plane_directions(grid, frame.plane, frame.neurological);
  SliceGeometry out;
  out.plane = frame.plane;
  out.width = std::max(1, frame.width);
  out.height = std::max(1, frame.height);
  out.pixel_mm = frame.pixel_mm;
  Vec3 to_cursor{};
  for (int a = 0; a < 3; ++a) to_cursor[a] = frame.cursor_mm[a] - frame.centre_mm[a];
  const double along = dot(to_cursor, directions.normal);
  for (int a = 0; a < 3; ++a) {
    out.right_mm[a] = directions.right[a] * frame.pixel_mm;
    out.down_mm[a] = directions.down[a] * frame.pixel_mm;
    out.origin_mm[a] = frame.centre_mm[a] + along * directions.normal[a] -
                       0.5 * (out.width - 1) * out.right_mm[a] -
                       0.5 * (out.height - 1) * out.down_mm[a];
  }
  return out;
}

PixelPosition pixel_of(const SliceGeometry& geometry, const Vec3& world_mm) {
  Vec3 from_origin{};
  for (int a = 0; a < 3; ++a) from_origin[a] = world_mm[a] - geometry.origin_mm[a];
  return {dot(from_origin, geometry.right_mm) / dot(geometry.right_mm, geometry.right_mm),
          dot(from_origin, geometry.down_mm) / dot(geometry.down_mm, geometry.down_mm)};
}

double fitting_pixel_mm(const Grid& stored, Plane plane, int width, int height) {
  const Grid grid = canonical(stored);
  const Axes axes = axes_of(plane);
  const Vec3 spacing = grid.spacing_mm();
  const auto extent = [&](int axis) {
    return static_cast<double>(grid.size[axis]) * spacing[static_cast<std::size_t>(axis)];
  };
  constexpr double kMargin = 1.08;
  return kMargin *
         std::max(extent(axes.right) / std::max(1, width), extent(axes.down) / std::max(1, height));
}

}  // namespace gigawarp::render

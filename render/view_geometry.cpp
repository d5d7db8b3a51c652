#include "render/view_geometry.h"

#include <algorithm>
#include <cmath>

namespace gigawarp::render {
namespace {

double dot(const Vec3& a, const Vec3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

Vec3 cross(const Vec3& a, const Vec3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

Vec3 unit(const Vec3& v) {
  const double length = std::sqrt(dot(v, v));
  return {v[0] / length, v[1] / length, v[2] / length};
}

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

Mat3 turn_about(const Vec3& axis, double angle) {
  const double c = std::cos(angle), s = std::sin(angle);
  Mat3 out{};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) out[i][j] = (i == j ? c : 0) + (1 - c) * axis[i] * axis[j];
  for (std::size_t i = 0; i < 3; ++i) {
    const std::size_t j = (i + 1) % 3, k = (i + 2) % 3;
    out[i][j] -= s * axis[k];
    out[j][i] += s * axis[k];
  }
  return out;
}

Mat3 turned_further(const Mat3& turn, const Mat3& more) {
  Vec3 columns[3];
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t r = 0; r < 3; ++r) {
      columns[c][r] = 0;
      for (std::size_t k = 0; k < 3; ++k) columns[c][r] += more[r][k] * turn[k][c];
    }
  columns[0] = unit(columns[0]);
  columns[2] = unit(cross(columns[0], columns[1]));
  columns[1] = cross(columns[2], columns[0]);
  Mat3 out{};
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t r = 0; r < 3; ++r) out[r][c] = columns[c][r];
  return out;
}

PlaneDirections plane_directions(const Grid& stored, Plane plane, bool neurological,
                                 const Mat3& turn) {
  const Grid grid = canonical(stored);
  const Axes axes = axes_of(plane);
  const Mat3 direction = grid.direction();
  PlaneDirections out;
  out.right = column(direction, axes.right, neurological && axes.right == 0 ? -1 : 1);
  out.down = column(direction, axes.down, axes.down_sign);
  out.normal = column(direction, axes.normal, 1);
  out.normal_spacing_mm = grid.spacing_mm()[static_cast<std::size_t>(axes.normal)];
  if (turn == kStraight) return out;
  Vec3 normal{};
  for (std::size_t r = 0; r < 3; ++r) normal[r] = dot(turn[r], out.normal);
  // Upright: down as near to where it was as the plane allows; right keeps its handedness.
  const double handed = dot(cross(out.right, out.down), out.normal) < 0 ? -1 : 1;
  const double along = dot(out.down, normal);
  Vec3 down{};
  for (std::size_t a = 0; a < 3; ++a) down[a] = out.down[a] - along * normal[a];
  if (dot(down, down) > 0.02) {
    out.down = unit(down);
    const Vec3 right = cross(out.down, normal);
    for (std::size_t a = 0; a < 3; ++a) out.right[a] = handed * right[a];
  } else {  // the plane lies where down was: turn the right direction instead
    const double across = dot(out.right, normal);
    Vec3 right{};
    for (std::size_t a = 0; a < 3; ++a) right[a] = out.right[a] - across * normal[a];
    out.right = unit(right);
    const Vec3 below = cross(normal, out.right);
    for (std::size_t a = 0; a < 3; ++a) out.down[a] = handed * below[a];
  }
  out.normal = normal;
  // Slices of the grid are this far apart along a slanted normal.
  const Vec3 spacing = grid.spacing_mm();
  double inverse = 0;
  for (int a = 0; a < 3; ++a) {
    const double share =
        dot(column(direction, a, 1), normal) / spacing[static_cast<std::size_t>(a)];
    inverse += share * share;
  }
  out.normal_spacing_mm = 1 / std::sqrt(inverse);
  return out;
}

SliceGeometry view_geometry(const Grid& grid, const ViewFrame& frame) {
  const PlaneDirections directions =
      plane_directions(grid, frame.plane, frame.neurological, frame.turn);
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

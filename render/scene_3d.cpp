#include "render/scene_3d.h"

#include <algorithm>
#include <cmath>

#include "render/view_geometry.h"
#include "render/warped_slice.h"

namespace gigawarp::render {
namespace {

constexpr std::array kPlanes{Plane::axial, Plane::coronal, Plane::sagittal};
constexpr int kMostPixels = 420;  // across a cut plane
constexpr int kPointsPerCell = 4;

double dot(const Vec3& a, const Vec3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

/// How long the shadow of the whole grid is along a direction.
double extent_mm(const Grid& grid, const Vec3& direction) {
  const Vec3 sides = grid.sides_mm();
  const Mat3 axes = grid.direction();
  double sum = 0;
  for (std::size_t a = 0; a < 3; ++a)
    sum += std::abs(dot({axes[0][a], axes[1][a], axes[2][a]}, direction)) * sides[a];
  return sum;
}

/// The whole plane through the cursor, with pixels of `pixel_mm`.
SliceGeometry whole_plane(const Scene3d& scene, Plane plane, double pixel_mm) {
  ViewFrame frame;
  frame.plane = plane;
  frame.cursor_mm = scene.cursor_mm;
  frame.centre_mm = scene.grid.centre_mm();
  frame.pixel_mm = pixel_mm;
  frame.turn = scene.turn;
  const PlaneDirections directions = plane_directions(scene.grid, plane, false, scene.turn);
  const auto pixels = [&](const Vec3& direction) {
    return std::max(2, static_cast<int>(std::lround(extent_mm(scene.grid, direction) / pixel_mm)));
  };
  frame.width = pixels(directions.right);
  frame.height = pixels(directions.down);
  return view_geometry(scene.grid, frame);
}

CutPlane cut_plane(const Scene3d& scene, Plane plane, const std::stop_token& stop) {
  const Vec3 spacing = scene.grid.spacing_mm();
  const double pixel_mm = std::max(*std::min_element(spacing.begin(), spacing.end()),
                                   scene.grid.longest_side_mm() / kMostPixels);
  CutPlane out;
  out.geometry = whole_plane(scene, plane, pixel_mm);
  const QImage drawn = compose(scene.slices, Content::compare, out.geometry, stop);
  if (drawn.isNull()) return out;
  out.picture = drawn.convertToFormat(QImage::Format_RGBA8888);
  const Volume* opaque = scene.slices.fixed.volume != nullptr ? scene.slices.fixed.volume.get()
                                                              : scene.slices.moving.volume.get();
  if (opaque == nullptr) return out;
  const SliceImage tissue =
      sample_warped(*opaque, nullptr, out.geometry, SliceInterpolation::linear, stop);
  for (int r = 0; r < out.geometry.height; ++r) {
    auto* line = out.picture.scanLine(r);
    for (int c = 0; c < out.geometry.width; ++c)
      if (!(tissue.at(c, r) > scene.tissue)) line[4 * c + 3] = 0;
  }
  return out;
}

/// Positions of every pixel of a slice after the deformable part of the warp.
std::vector<Vec3> moved_points(const Transform& warp, const SliceGeometry& g,
                               const std::stop_token& stop) {
  std::vector<Vec3> points(static_cast<std::size_t>(g.width) * static_cast<std::size_t>(g.height));
  for (std::size_t a = 0; a < 3; ++a) {
    Vec3 axis{};
    axis[a] = 1;
    const SliceImage d = sample_displacement_component(warp, g, axis, true, stop);
    std::size_t i = 0;
    for (int r = 0; r < g.height; ++r)
      for (int c = 0; c < g.width; ++c, ++i) points[i][a] = g.at(c, r)[a] + d.values[i];
  }
  return points;
}

/// Points where the warp is undefined end a line.
void add_line(std::vector<Polyline>& lines, const std::vector<Vec3>& points, std::size_t first,
              std::size_t step, std::size_t count) {
  Polyline line;
  for (std::size_t i = 0; i <= count; ++i) {
    const bool ends = i == count || std::isnan(points[first + i * step][0]);
    if (!ends) line.push_back(points[first + i * step]);
    if (!ends || line.empty()) continue;
    if (line.size() > 1) lines.push_back(line);
    line.clear();
  }
}

}  // namespace

std::array<CutPlane, 3> cut_planes(const Scene3d& scene, const std::stop_token& stop) {
  std::array<CutPlane, 3> out;
  for (std::size_t i = 0; i < 3; ++i) out.at(i) = cut_plane(scene, kPlanes.at(i), stop);
  return out;
}

std::vector<Polyline> deformation_lines(const Scene3d& scene, const std::stop_token& stop) {
  std::vector<Polyline> lines;
  if (scene.slices.warp == nullptr || !(scene.slices.grid_mm > 0)) return lines;
  for (const Plane plane : kPlanes) {
    const SliceGeometry g = whole_plane(scene, plane, scene.slices.grid_mm / kPointsPerCell);
    const std::vector<Vec3> points = moved_points(*scene.slices.warp, g, stop);
    if (stop.stop_requested()) return {};
    const auto width = static_cast<std::size_t>(g.width);
    const auto height = static_cast<std::size_t>(g.height);
    for (std::size_t r = 0; r < height; r += kPointsPerCell)
      add_line(lines, points, r * width, 1, width);
    for (std::size_t c = 0; c < width; c += kPointsPerCell)
      add_line(lines, points, c, width, height);
  }
  return lines;
}

std::vector<Landmark3d> landmarks_in_fixed_space(const std::vector<Vec3>& fixed_mm,
                                                 const std::vector<Vec3>& moving_mm,
                                                 const Transform* warp) {
  Affine fixed_from_moving;
  if (warp != nullptr) {
    Affine moving_from_fixed;
    for (const TransformStage& stage : warp->stages)
      if (const auto* affine = std::get_if<Affine>(&stage))
        moving_from_fixed = *affine * moving_from_fixed;
    fixed_from_moving = moving_from_fixed.inverse();
  }
  std::vector<Landmark3d> out;
  for (std::size_t i = 0; i < std::min(fixed_mm.size(), moving_mm.size()); ++i) {
    const std::optional<Vec3> found = warp != nullptr ? (*warp)(fixed_mm[i]) : fixed_mm[i];
    if (!found) continue;
    Vec3 residual{};
    for (std::size_t a = 0; a < 3; ++a) residual[a] = moving_mm[i][a] - (*found)[a];
    const Vec3 back = fixed_from_moving.map_vector(residual);
    Landmark3d mark{fixed_mm[i], fixed_mm[i]};
    for (std::size_t a = 0; a < 3; ++a) mark.moving_mm[a] += back[a];
    out.push_back(mark);
  }
  return out;
}

std::array<Vec3, 3> cut_normals(const Scene3d& scene) {
  const auto normal = [&](Plane plane) {
    return plane_directions(scene.grid, plane, false, scene.turn).normal;
  };
  return {normal(Plane::sagittal), normal(Plane::coronal), normal(Plane::axial)};
}

std::array<double, 3> cut_sides(const Scene3d& scene, const CastAxes& axes) {
  std::array<double, 3> sides{};
  const std::array<Vec3, 3> normals = cut_normals(scene);
  for (std::size_t a = 0; a < 3; ++a) sides.at(a) = dot(normals.at(a), axes.into) > 0 ? -1 : 1;
  return sides;
}

}  // namespace gigawarp::render

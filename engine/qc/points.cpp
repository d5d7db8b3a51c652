#include "qc/points.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "base/parallel.h"
#include "gigawarp/error.h"

namespace gigawarp::qc {
namespace {

double distance(const Vec3& a, const Vec3& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

Vec3 voxel(std::int64_t x, std::int64_t y, std::int64_t z) {
  return {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)};
}

/// At most about a million evenly spaced points, only where `mask` (may be null) is not zero.
std::vector<Vec3> points_on(const Grid& grid, std::int64_t border, const Volume* mask) {
  if (mask && !mask->grid().same_lattice(grid))
    throw Error(ErrorCode::bad_input, "The mask is not on the grid of the fixed image.", "mask");
  std::int64_t stride = 1;
  while (grid.voxel_count() / (stride * stride * stride) > 1'000'000) ++stride;
  Size3 low{}, high{};
  for (int a = 0; a < 3; ++a) {
    low[a] = std::min(border, (grid.size[a] - 1) / 2);
    high[a] = grid.size[a] - low[a];
  }
  std::vector<Vec3> points;
  for (std::int64_t z = low[2]; z < high[2]; z += stride)
    for (std::int64_t y = low[1]; y < high[1]; y += stride)
      for (std::int64_t x = low[0]; x < high[0]; x += stride)
        if (!mask || mask->value(x, y, z) != 0)
          points.push_back(grid.world_from_voxel(voxel(x, y, z)));
  return points;
}

bool is_nowhere(const Vec3& p) { return std::isnan(p[0]) || std::isnan(p[1]) || std::isnan(p[2]); }

/// Distances between pairs of points, of which either may be nowhere.
Distances between_points(const std::vector<Vec3>& a, const std::vector<Vec3>& b) {
  std::vector<float> found;
  std::int64_t undefined = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (is_nowhere(a[i]) || is_nowhere(b[i]))
      ++undefined;
    else
      found.push_back(static_cast<float>(distance(a[i], b[i])));
  return distribution(std::move(found), undefined);
}

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

bool inside(const Grid& grid, const Affine& voxel_from_world, const Vec3& p) {
  const Vec3 v = voxel_from_world(p);
  for (int a = 0; a < 3; ++a)
    if (!(v[a] >= 0 && v[a] <= static_cast<double>(grid.size[a] - 1))) return false;
  return true;
}

std::map<std::string, NamedPoint> by_name(const std::vector<NamedPoint>& points, const char* side) {
  std::map<std::string, NamedPoint> out;
  for (const NamedPoint& p : points)
    if (!out.emplace(p.name, p).second)
      throw Error(ErrorCode::bad_input,
                  std::string("The landmark \"") + p.name + "\" occurs twice among the " + side +
                      " landmarks; names must be unique.",
                  p.name);
  return out;
}

struct Match {
  std::string name;
  Vec3 fixed, moving;
  bool held_out;
};

std::vector<Match> match(const std::vector<NamedPoint>& fixed,
                         const std::vector<NamedPoint>& moving,
                         std::vector<std::string>& unmatched) {
  const auto there = by_name(moving, "moving"), here = by_name(fixed, "fixed");
  std::vector<Match> out;
  for (const NamedPoint& p : fixed) {
    const auto found = there.find(p.name);
    if (found != there.end())
      out.push_back(
          {p.name, p.position_mm, found->second.position_mm, p.held_out || found->second.held_out});
    else
      unmatched.push_back(p.name);
  }
  for (const NamedPoint& p : moving)
    if (!here.contains(p.name)) unmatched.push_back(p.name);
  if (!out.empty()) return out;
  if (fixed.size() != moving.size() || fixed.empty())
    throw Error(
        ErrorCode::bad_input,
        "The fixed and the moving landmarks have no name in common and differ in number, so "
        "they cannot be matched.",
        "landmarks");
  unmatched.clear();
  for (std::size_t i = 0; i < fixed.size(); ++i)
    out.push_back({fixed[i].name, fixed[i].position_mm, moving[i].position_mm,
                   fixed[i].held_out || moving[i].held_out});
  return out;
}

}  // namespace

Distances distribution(std::vector<float> distances_mm, std::int64_t undefined) {
  Distances out;
  out.points = static_cast<std::int64_t>(distances_mm.size());
  out.undefined = undefined;
  if (distances_mm.empty()) return out;
  double sum = 0;
  for (const float d : distances_mm) sum += d;
  out.mean_mm = sum / static_cast<double>(distances_mm.size());
  const double rank = 0.95 * static_cast<double>(distances_mm.size() - 1);
  const auto p95 = distances_mm.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(distances_mm.begin(), p95, distances_mm.end());
  out.max_mm = *std::max_element(p95, distances_mm.end());
  const double above = p95 + 1 == distances_mm.end()
                           ? static_cast<double>(*p95)
                           : static_cast<double>(*std::min_element(p95 + 1, distances_mm.end()));
  out.p95_mm = *p95 + (rank - std::floor(rank)) * (above - *p95);
  return out;
}

LandmarkErrors landmark_errors(const std::vector<NamedPoint>& fixed,
                               const std::vector<NamedPoint>& moving, const Transform& transform) {
  return landmark_errors(fixed, moving, point_map(transform));
}

LandmarkErrors landmark_errors(const std::vector<NamedPoint>& fixed,
                               const std::vector<NamedPoint>& moving, const PointMap& map) {
  LandmarkErrors out;
  std::vector<float> before, after, used, held_out;
  std::int64_t undefined = 0;
  const std::vector<Match> matches = match(fixed, moving, out.unmatched);
  std::vector<Vec3> places;
  for (const Match& m : matches) places.push_back(m.fixed);
  map(places);
  for (std::size_t i = 0; i < matches.size(); ++i) {
    const Match& m = matches[i];
    const bool mapped = !is_nowhere(places[i]);
    LandmarkError one{m.name, distance(m.fixed, m.moving),
                      mapped ? distance(places[i], m.moving) : kUndefined, m.held_out};
    before.push_back(static_cast<float>(one.before_mm));
    if (mapped) {
      after.push_back(static_cast<float>(one.after_mm));
      (m.held_out ? held_out : used).push_back(after.back());
    } else {
      ++undefined;
    }
    out.landmarks.push_back(std::move(one));
  }
  out.before = distribution(std::move(before));
  out.after = distribution(std::move(after), undefined);
  out.used = distribution(std::move(used));
  out.held_out = distribution(std::move(held_out));
  return out;
}

Distances transform_difference(const Transform& a, const Transform& b, const Grid& grid,
                               const Volume* mask) {
  return transform_difference(point_map(a), point_map(b), grid, mask);
}

Distances transform_difference(const PointMap& a, const PointMap& b, const Grid& grid,
                               const Volume* mask) {
  std::vector<Vec3> by_a = points_on(grid, 0, mask), by_b = by_a;
  a(by_a);
  b(by_b);
  return between_points(by_a, by_b);
}

Distances inverse_consistency(const Transform& forward, const Transform& inverse, const Grid& fixed,
                              const Grid& moving, const Volume* mask) {
  return inverse_consistency(point_map(forward), point_map(inverse), fixed, moving, mask);
}

Distances inverse_consistency(const PointMap& forward, const PointMap& inverse, const Grid& fixed,
                              const Grid& moving, const Volume* mask) {
  const Affine moving_voxel = moving.voxel_from_world();
  std::vector<Vec3> points = points_on(fixed, 2, mask), there = points;
  forward(there);
  std::size_t kept = 0;  // those that land on the moving grid, or nowhere
  for (std::size_t i = 0; i < points.size(); ++i)
    if (is_nowhere(there[i]) || inside(moving, moving_voxel, there[i])) {
      points[kept] = points[i];
      there[kept++] = there[i];
    }
  points.resize(kept);
  there.resize(kept);
  inverse(there);
  return between_points(there, points);
}

namespace {

/// `measure(point)` in mm on every voxel of a grid, or on every second, third … one.
template <class Measure>
Volume map_over(const Grid& fixed, std::int64_t most_voxels, const Measure& measure) {
  std::int64_t stride = 1;
  while (fixed.voxel_count() / (stride * stride * stride) > most_voxels) ++stride;
  Grid grid = fixed;
  for (std::size_t a = 0; a < 3; ++a) {
    grid.size[a] = (fixed.size[a] + stride - 1) / stride;
    for (std::size_t r = 0; r < 3; ++r)
      grid.world_from_voxel.linear[r][a] *= static_cast<double>(stride);
  }
  Volume out(grid, ScalarType::f32);
  const Size3& n = grid.size;
  parallel_for(n[1] * n[2], [&](std::int64_t row) {
    for (std::int64_t x = 0; x < n[0]; ++x)
      out.channel<float>()[row * n[0] + x] =
          static_cast<float>(measure(grid.world_from_voxel(voxel(x, row % n[1], row / n[1]))));
  });
  return out;
}

}  // namespace

Volume inverse_error_map(const Transform& forward, const Transform& inverse, const Grid& fixed,
                         const Grid& moving, std::int64_t most_voxels) {
  const Affine moving_voxel = moving.voxel_from_world();
  return map_over(fixed, most_voxels, [&](const Vec3& p) {
    const std::optional<Vec3> there = forward(p);
    const std::optional<Vec3> back =
        there && inside(moving, moving_voxel, *there) ? inverse(*there) : std::nullopt;
    return back ? distance(*back, p) : kUndefined;
  });
}

Volume transform_difference_map(const Transform& a, const Transform& b, const Grid& grid,
                                std::int64_t most_voxels) {
  return map_over(grid, most_voxels, [&](const Vec3& p) {
    const std::optional<Vec3> qa = a(p), qb = b(p);
    return qa && qb ? distance(*qa, *qb) : kUndefined;
  });
}

std::optional<Vec3> fixed_point_of(const Transform& transform, const Vec3& moving_mm,
                                   double tolerance_mm) {
  Affine linear;
  for (const TransformStage& stage : transform.stages)
    if (const auto* affine = std::get_if<Affine>(&stage)) linear = *affine * linear;
  const Affine back = linear.inverse();
  constexpr int kMostSteps = 60;
  Vec3 x = back(moving_mm);
  for (int step = 0; step < kMostSteps; ++step) {
    const std::optional<Vec3> y = transform(x);
    if (!y) return std::nullopt;
    if (distance(*y, moving_mm) <= tolerance_mm) return x;
    const Vec3 off =
        back.map_vector({(*y)[0] - moving_mm[0], (*y)[1] - moving_mm[1], (*y)[2] - moving_mm[2]});
    for (std::size_t a = 0; a < 3; ++a) x[a] -= off[a];
  }
  return std::nullopt;
}

DisplacementField displacement_of(const Transform& transform, const Grid& grid) {
  DisplacementField out(grid);
  const Size3& n = grid.size;
  parallel_for(n[1] * n[2], [&](std::int64_t row) {
    for (std::int64_t x = 0; x < n[0]; ++x) {
      const Vec3 p = grid.world_from_voxel(voxel(x, row % n[1], row / n[1]));
      const std::optional<Vec3> q = transform(p);
      for (int c = 0; c < 3; ++c)
        out.component_mm(c)[row * n[0] + x] =
            q ? static_cast<float>((*q)[c] - p[c]) : std::numeric_limits<float>::quiet_NaN();
    }
  });
  return out;
}

}  // namespace gigawarp::qc

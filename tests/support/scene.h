#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "gigawarp/job.h"
#include "gigawarp/volume.h"

/// Small made-up pairs with a known map, quicker than a phantom.
namespace gigawarp::test {

/// A lopsided blob with inner structure, so that no rotation or mirroring looks alike.
inline double anatomy(const Vec3& p) {
  const auto bump = [&](double x, double y, double z, double rx, double ry, double rz) {
    const double a = (p[0] - x) / rx, b = (p[1] - y) / ry, c = (p[2] - z) / rz;
    return std::exp(-(a * a + b * b + c * c));
  };
  return 100 * bump(0, 0, 0, 30, 40, 24) + 80 * bump(12, -14, 5, 8, 10, 7) -
         70 * bump(-10, 12, -4, 7, 9, 8) + 60 * bump(3, 22, 8, 9, 6, 6) +
         50 * bump(-14, -16, 6, 5, 7, 9) +
         (20 * std::sin(0.35 * p[0] + 0.2 * p[2]) + 18 * std::cos(0.3 * p[1] - 0.25 * p[2]) +
          15 * std::sin(0.22 * p[0] - 0.31 * p[1] + 0.27 * p[2])) *
             bump(0, 0, 0, 25, 35, 20);
}

template <class Map>
Volume volume_of(const Size3& n, double spacing, const Map& map) {
  Grid grid;
  grid.size = n;
  for (int a = 0; a < 3; ++a) {
    grid.world_from_voxel.linear[a][a] = spacing;
    grid.world_from_voxel.offset[a] = -0.5 * spacing * static_cast<double>(n[a] - 1);
  }
  Volume v(grid, ScalarType::u16);
  for (std::int64_t z = 0; z < n[2]; ++z)
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) {
        const Vec3 world = grid.world_from_voxel(
            {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
        v.channel<std::uint16_t>()[(z * n[1] + y) * n[0] + x] =
            static_cast<std::uint16_t>(std::max(0.0, 200 + 10 * anatomy(map(world))));
      }
  return v;
}

/// A quarter turn about x: every slab of one volume reaches all slabs of the other.
inline Affine quarter_turn() {
  Affine turn;
  turn.linear = {{{1, 0, 0}, {0, 0, -1}, {0, 1, 0}}};
  return turn;
}

/// About all three axes: a slab of one volume lies obliquely in the other, and its box there is
/// nearly all of it.
inline Affine oblique_turn() {
  const auto about = [](std::size_t axis, double degrees) {
    const double angle = degrees * std::acos(-1.0) / 180, c = std::cos(angle), s = std::sin(angle);
    const std::size_t a = (axis + 1) % 3, b = (axis + 2) % 3;
    Affine turn;
    turn.linear[a][a] = turn.linear[b][b] = c;
    turn.linear[a][b] = -s;
    turn.linear[b][a] = s;
    return turn;
  };
  return about(0, 35) * about(1, 30) * about(2, 20);
}

/// A smooth bump added to the identity, about 4 mm (2 voxels) at most.
inline Vec3 bend(const Vec3& p) {
  return {p[0] + 4 * std::sin(p[1] / 14) * std::exp(-(p[0] * p[0] + p[2] * p[2]) / 800),
          p[1] + 3 * std::cos(p[2] / 11) * std::exp(-(p[0] * p[0] + p[1] * p[1]) / 900),
          p[2] + 3 * std::sin(p[0] / 12) * std::exp(-(p[1] * p[1] + p[2] * p[2]) / 900)};
}

inline StageSpec stage(StageKind kind, MetricKind metric, std::vector<LevelSpec> levels) {
  StageSpec s;
  s.kind = kind;
  s.metric.kind = metric;
  s.levels = std::move(levels);
  return s;
}

}  // namespace gigawarp::test

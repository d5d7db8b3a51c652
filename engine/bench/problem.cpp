#include "bench/problem.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "base/parallel.h"

namespace gigawarp::bench {
namespace {

constexpr double kTwoPi = 2 * std::numbers::pi;

Grid grid_of(const Size3& size) {
  Grid grid;
  grid.size = size;
  return grid;
}

/// Uniform in [-1, 1), from the voxel's place alone (the finaliser of splitmix64).
double noise(std::uint64_t key) {
  key = (key ^ (key >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  key = (key ^ (key >> 27U)) * 0x94d049bb133111ebULL;
  key ^= key >> 31U;
  return static_cast<double>(key >> 11U) * 0x1p-52 - 1.0;
}

/// Intensity of the fixed scene without noise, at a voxel position.
double scene(const Size3& n, const Vec3& p) {
  double radius = 0;
  for (std::size_t a = 0; a < 3; ++a) {
    const double half = 0.5 * static_cast<double>(n[a] - 1);
    const double c = (p[a] - half) / (0.8 * half);
    radius += c * c;
  }
  const double inside = std::clamp(8 * (1 - radius), 0.0, 1.0);
  const double texture = std::sin(0.37 * p[0] + 0.11 * p[1]) * std::sin(0.29 * p[1] - 0.07 * p[2]) +
                         std::sin(0.23 * p[2] + 0.05 * p[0]);
  return 60 + inside * (900 + 300 * texture);
}

Affine map_of(const Size3& n) {
  constexpr double kAngle = 2 * std::numbers::pi / 180;
  const double c = std::cos(kAngle), s = std::sin(kAngle);
  Affine a;
  a.linear = {{{c, -s, 0}, {s, c, 0}, {0, 0, 1}}};
  const Vec3 centre{0.5 * static_cast<double>(n[0]), 0.5 * static_cast<double>(n[1]), 0};
  const Vec3 turned = a(centre);
  a.offset = {centre[0] - turned[0] + 0.7, centre[1] - turned[1] - 0.4, 0.3};
  return a;
}

template <class Position>
void fill(Volume& volume, std::uint64_t seed, const Position& scene_position) {
  const Size3 n = volume.grid().size;
  auto* out = volume.channel<std::uint16_t>();
  parallel_for(n[2], [&](std::int64_t z) {
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) {
        const std::int64_t i = (z * n[1] + y) * n[0] + x;
        const Vec3 voxel{static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)};
        const auto key = static_cast<std::uint64_t>(i) * 0x9e3779b97f4a7c15ULL + seed;
        out[i] = static_cast<std::uint16_t>(scene(n, scene_position(voxel)) + 25 * noise(key));
      }
  });
}

}  // namespace

Problem::Problem(const Size3& size)
    : fixed(grid_of(size), ScalarType::u16),
      moving(grid_of(size), ScalarType::u16),
      moving_from_fixed(map_of(size)) {
  const Affine fixed_from_moving = moving_from_fixed.inverse();
  fill(fixed, 1, [](const Vec3& voxel) { return voxel; });
  fill(moving, 2, [&](const Vec3& voxel) {
    const Vec3 p = fixed_from_moving(voxel);
    const Vec3 u = displacement(p[0], p[1], p[2]);
    return Vec3{p[0] - u[0], p[1] - u[1], p[2] - u[2]};
  });
}

Vec3 Problem::displacement(double x, double y, double z) const {
  const Size3& n = fixed.grid().size;
  const double px = kTwoPi * x / static_cast<double>(n[0]);
  const double py = kTwoPi * y / static_cast<double>(n[1]);
  const double pz = kTwoPi * z / static_cast<double>(n[2]);
  return {2.0 * std::sin(py + 0.5 * pz), 1.6 * std::sin(pz + px), 1.2 * std::sin(px - py)};
}

}  // namespace gigawarp::bench

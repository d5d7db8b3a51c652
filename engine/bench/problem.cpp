#include "bench/problem.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "base/parallel.h"
#include "cpu/multiversion.h"

namespace gigawarp::bench {
namespace {

constexpr double kTwoPi = 2 * std::numbers::pi;
constexpr double kEllipsoid = 0.8;  ///< its axes, of the volume's
constexpr double kFade = 8;         ///< the texture fades in over 1/8 of the squared radius
constexpr float kNoise = 25;
constexpr double kCoarsePeriods = 9;  ///< of the coarse texture, per axis
constexpr int kInversionSteps = 3;

Grid grid_of(const Size3& size) {
  Grid grid;
  grid.size = size;
  return grid;
}

/// To 4e-6, for |x| below 10^4; compiles to a few vector instructions.
GIGAWARP_ALWAYS_INLINE float quick_sin(float x) {
  constexpr float kRound = 12582912.0F;  // 1.5·2^23: adding it rounds to a whole number
  constexpr float kPiHigh = 3.140625F, kPiLow = 9.67653589793e-4F;
  const float shifted = x * static_cast<float>(1 / std::numbers::pi) + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * kPiHigh) - n * kPiLow, s = r * r;
  const float value =
      r * (1 + s * (-1.0F / 6 + s * (1.0F / 120 + s * (-1.0F / 5040 + s * (1.0F / 362880)))));
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) ^
                              std::bit_cast<std::uint32_t>(shifted) << 31U);
}

/// Uniform in [-1, 1) (C. Wellons' "lowbias32" finaliser, public domain constants).
GIGAWARP_ALWAYS_INLINE float noise(std::uint32_t key) {
  key = (key ^ (key >> 16U)) * 0x7feb352dU;
  key = (key ^ (key >> 15U)) * 0x846ca68bU;
  key ^= key >> 16U;
  return static_cast<float>(static_cast<std::int32_t>(key)) * 0x1p-31F;
}

/// What depends on the size of the volumes.
struct Shape {
  float half[3], inverse_radius[3];  ///< of the ellipsoid
  float coarse[3];                   ///< radians per voxel of the coarse texture
  float wave[3], amplitude[3];       ///< of u: radians per voxel, voxels

  Shape(const Size3& n, double largest) {
    constexpr double kShare[3]{1, 0.8, 0.6};
    for (std::size_t a = 0; a < 3; ++a) {
      const auto size = static_cast<double>(n[a]);
      half[a] = static_cast<float>(0.5 * (size - 1));
      inverse_radius[a] = static_cast<float>(1 / (kEllipsoid * 0.5 * (size - 1)));
      coarse[a] = static_cast<float>(kTwoPi * kCoarsePeriods / size);
      wave[a] = static_cast<float>(kTwoPi / size);
      amplitude[a] = static_cast<float>(largest * kShare[a]);
    }
  }
};

struct Point {
  float x, y, z;
};

GIGAWARP_ALWAYS_INLINE Point displacement_at(const Shape& s, const Point& p) {
  const float a = s.wave[0] * p.x, b = s.wave[1] * p.y, c = s.wave[2] * p.z;
  return {s.amplitude[0] * quick_sin(b + 0.5F * c), s.amplitude[1] * quick_sin(c + a),
          s.amplitude[2] * quick_sin(a - b)};
}

/// Intensity of the fixed scene without noise.
GIGAWARP_ALWAYS_INLINE float scene(const Shape& s, const Point& p) {
  const float rx = (p.x - s.half[0]) * s.inverse_radius[0],
              ry = (p.y - s.half[1]) * s.inverse_radius[1],
              rz = (p.z - s.half[2]) * s.inverse_radius[2];
  const float depth = static_cast<float>(kFade) * (1 - rx * rx - ry * ry - rz * rz);
  const float inside = depth < 0 ? 0 : (depth > 1 ? 1 : depth);
  // Blobs, since along stripes nobody can tell where a voxel belongs.
  const float fine = quick_sin(0.37F * p.x + 0.11F * p.y) * quick_sin(0.29F * p.y - 0.07F * p.z) +
                     quick_sin(0.33F * p.z + 0.05F * p.x) * quick_sin(0.31F * p.y - 0.13F * p.x) +
                     quick_sin(0.27F * p.x - 0.09F * p.z) * quick_sin(0.35F * p.z + 0.08F * p.y);
  const float a = s.coarse[0] * p.x, b = s.coarse[1] * p.y, c = s.coarse[2] * p.z;
  const float coarse = quick_sin(a + 0.4F * b) * quick_sin(b - 0.3F * c) + quick_sin(c + 0.35F * a);
  return 60 + inside * (900 + 200 * fine + 150 * coarse);
}

/// A row of voxels: point i of the row lies at start + i·step of the scene's space.
struct Row {
  Point start, step;
  std::uint32_t key;
  std::int64_t n;

  GIGAWARP_ALWAYS_INLINE Point at(std::int64_t i) const {
    const auto t = static_cast<float>(static_cast<std::int32_t>(i));
    return {start.x + t * step.x, start.y + t * step.y, start.z + t * step.z};
  }
};

/// Voxel i of a row that shows the scene at `place`, with its noise.
GIGAWARP_ALWAYS_INLINE std::uint16_t voxel(const Shape& s, const Row& row, std::int64_t i,
                                           const Point& place) {
  const auto key = static_cast<std::uint32_t>(i) * 0x9e3779b1U + row.key;
  return static_cast<std::uint16_t>(
      static_cast<std::int32_t>(scene(s, place) + kNoise * noise(key)));
}

GIGAWARP_MULTIVERSION void fill_fixed(const Shape& s, const Row& row, std::uint16_t* out) {
#pragma omp simd
  for (std::int64_t i = 0; i < row.n; ++i) {
    out[i] = voxel(s, row, i, row.at(i));
  }
}

/// The scene at x with x + u(x) = point of the row.
GIGAWARP_MULTIVERSION void fill_moving(const Shape& s, const Row& row, std::uint16_t* out) {
#pragma omp simd
  for (std::int64_t i = 0; i < row.n; ++i) {
    const Point p = row.at(i);
    Point x = p;
    for (int k = 0; k < kInversionSteps; ++k) {
      const Point u = displacement_at(s, x);
      x = {p.x - u.x, p.y - u.y, p.z - u.z};
    }
    out[i] = voxel(s, row, i, x);
  }
}

GIGAWARP_MULTIVERSION void fill_displacement(const Shape& s, const Row& row, float share,
                                             float* __restrict x, float* __restrict y,
                                             float* __restrict z) {
#pragma omp simd
  for (std::int64_t i = 0; i < row.n; ++i) {
    const auto t = static_cast<float>(static_cast<std::int32_t>(i));
    const Point u = displacement_at(s, {t, row.start.y, row.start.z});
    x[i] = share * u.x;
    y[i] = share * u.y;
    z[i] = share * u.z;
  }
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

Point point(const Vec3& v) {
  return {static_cast<float>(v[0]), static_cast<float>(v[1]), static_cast<float>(v[2])};
}

/// Every row of a volume whose voxel v shows the scene's point place(v).
template <class Fill>
void fill_rows(Volume& volume, const Affine& place, std::uint32_t seed, const Fill& fill) {
  const Size3 n = volume.grid().size;
  auto* out = volume.channel<std::uint16_t>();
  parallel_for(n[2], [&](std::int64_t z) {
    for (std::int64_t y = 0; y < n[1]; ++y) {
      const std::int64_t row = z * n[1] + y;
      const auto number = static_cast<std::uint64_t>(row) * 0x9e3779b97f4a7c15ULL;
      const Vec3 start = place({0, static_cast<double>(y), static_cast<double>(z)});
      fill(Row{point(start), point(place.map_vector({1, 0, 0})),
               static_cast<std::uint32_t>(number >> 32U) ^ (seed * 0x85ebca6bU), n[0]},
           out + row * n[0]);
    }
  });
}

}  // namespace

Problem::Problem(const Size3& size, double largest_displacement_voxels)
    : fixed(grid_of(size), ScalarType::u16),
      moving(grid_of(size), ScalarType::u16),
      moving_from_fixed(map_of(size)),
      largest_voxels(largest_displacement_voxels) {
  const Shape shape(size, largest_voxels);
  fill_rows(fixed, Affine{}, 1,
            [&](const Row& row, std::uint16_t* out) { fill_fixed(shape, row, out); });
  fill_rows(moving, moving_from_fixed.inverse(), 2,
            [&](const Row& row, std::uint16_t* out) { fill_moving(shape, row, out); });
}

Vec3 Problem::displacement(double x, double y, double z) const {
  const Size3& n = fixed.grid().size;
  const double a = kTwoPi * x / static_cast<double>(n[0]);
  const double b = kTwoPi * y / static_cast<double>(n[1]);
  const double c = kTwoPi * z / static_cast<double>(n[2]);
  return {largest_voxels * std::sin(b + 0.5 * c), 0.8 * largest_voxels * std::sin(c + a),
          0.6 * largest_voxels * std::sin(a - b)};
}

bool Problem::shows_scene(double x, double y, double z) const {
  const Size3& n = fixed.grid().size;
  const Vec3 p{x, y, z};
  double radius = 0;
  for (std::size_t a = 0; a < 3; ++a) {
    const double half = 0.5 * static_cast<double>(n[a] - 1);
    const double c = (p[a] - half) / (kEllipsoid * half);
    radius += c * c;
  }
  return radius < 1 - 1 / kFade;
}

void Problem::displacement_planes(std::int64_t z_begin, std::int64_t z_end, double share,
                                  float* const component[3]) const {
  const Size3& n = fixed.grid().size;
  const Shape shape(n, largest_voxels);
  parallel_for(z_end - z_begin, [&](std::int64_t plane) {
    for (std::int64_t y = 0; y < n[1]; ++y) {
      const std::int64_t i = (plane * n[1] + y) * n[0];
      const Row row{{0, static_cast<float>(y), static_cast<float>(z_begin + plane)}, {}, 0, n[0]};
      fill_displacement(shape, row, static_cast<float>(share), component[0] + i, component[1] + i,
                        component[2] + i);
    }
  });
}

}  // namespace gigawarp::bench

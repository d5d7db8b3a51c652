#include "gigawarp/transform.h"
#include "gigawarp/volume_feed.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "gigawarp/error.h"

namespace gigawarp {

namespace {
/// ITK's inside test: half a voxel beyond the outer centres still counts, the upper end excluded.
bool inside(const Vec3& voxel, const Size3& size) {
  for (int a = 0; a < 3; ++a)
    if (!(voxel[a] >= -0.5 && voxel[a] < static_cast<double>(size[a]) - 0.5)) return false;
  return true;
}

/// Lower corner, upper corner and weight of the upper one along an axis, clamped to the grid.
struct Corner {
  std::int64_t low, high;
  double weight;
};

Corner corner(double v, std::int64_t n) {
  const double clamped = std::clamp(v, 0.0, static_cast<double>(n - 1));
  const auto low = static_cast<std::int64_t>(clamped);
  return {low, std::min(low + 1, n - 1), clamped - static_cast<double>(low)};
}

/// Uniform cubic B-spline weights of the four control points around fraction t in [0, 1).
std::array<double, 4> cubic_weights(double t) {
  const double s = 1 - t;
  return {s * s * s / 6, (3 * t * t * t - 6 * t * t + 4) / 6, (3 * s * s * s - 6 * s * s + 4) / 6,
          t * t * t / 6};
}
}  // namespace

DisplacementField::DisplacementField(Volume&& displacement_mm)
    : volume_(std::move(displacement_mm)) {
  if (volume_.type() != ScalarType::f32 || volume_.channels() != 3)
    throw Error(ErrorCode::internal, "A displacement field needs three channels of f32.");
}

namespace {
/// Between the corners x, y, z of a field of which `part` holds the voxels of `box`.
std::optional<Vec3> between(const Volume& part, const Box& box, const Corner& x, const Corner& y,
                            const Corner& z) {
  Vec3 out{};
  for (int a = 0; a < 3; ++a) {
    const auto* d = part.channel<float>(a);
    const auto at = [&](std::int64_t i, std::int64_t j, std::int64_t k) {
      return static_cast<double>(
          d[((k - box.begin[2]) * box.size[1] + j - box.begin[1]) * box.size[0] + i -
            box.begin[0]]);
    };
    const auto row = [&](std::int64_t j, std::int64_t k) {
      return at(x.low, j, k) * (1 - x.weight) + at(x.high, j, k) * x.weight;
    };
    const auto plane = [&](std::int64_t k) {
      return row(y.low, k) * (1 - y.weight) + row(y.high, k) * y.weight;
    };
    out[a] = plane(z.low) * (1 - z.weight) + plane(z.high) * z.weight;
    if (std::isnan(out[a])) return std::nullopt;
  }
  return out;
}
}  // namespace

std::optional<Vec3> DisplacementField::at_world(const Vec3& point_mm) const {
  const Size3& n = grid().size;
  const Vec3 v = grid().voxel_from_world()(point_mm);
  if (!inside(v, n)) return Vec3{0, 0, 0};
  return between(volume_, {{0, 0, 0}, n}, corner(v[0], n[0]), corner(v[1], n[1]),
                 corner(v[2], n[2]));
}

std::optional<Vec3> displacement_at(const VolumeFeed& displacement_mm, const Vec3& point_mm) {
  const Size3& n = displacement_mm.grid().size;
  const Vec3 v = displacement_mm.grid().voxel_from_world()(point_mm);
  if (!inside(v, n)) return Vec3{0, 0, 0};
  const Corner x = corner(v[0], n[0]), y = corner(v[1], n[1]), z = corner(v[2], n[2]);
  const Box box{{x.low, y.low, z.low},
                {x.high - x.low + 1, y.high - y.low + 1, z.high - z.low + 1}};
  Volume part(Grid{box.size, {}}, ScalarType::f32, 3);
  displacement_mm.read(box, part.data());
  return between(part, box, x, y, z);
}

namespace {

constexpr std::int64_t kPointsAtOnce = 1 << 14;

template <class Body>
void for_blocks(std::size_t n, const Body& body) {
  const auto count = static_cast<std::int64_t>(n);
  parallel_for((count + kPointsAtOnce - 1) / kPointsAtOnce, [&](std::int64_t block) {
    for (std::int64_t i = block * kPointsAtOnce; i < std::min(count, (block + 1) * kPointsAtOnce);
         ++i)
      body(static_cast<std::size_t>(i));
  });
}

constexpr Vec3 kNowhere{std::numeric_limits<double>::quiet_NaN(),
                        std::numeric_limits<double>::quiet_NaN(),
                        std::numeric_limits<double>::quiet_NaN()};

/// Corners x, y, z of a point on a lattice.
std::array<Corner, 3> corners(const Vec3& voxel, const Size3& n) {
  return {corner(voxel[0], n[0]), corner(voxel[1], n[1]), corner(voxel[2], n[2])};
}

/// Moves the points of `which`, which are inside; reads one box for all.
void displace_some(const VolumeFeed& feed, const Affine& voxel_from_world,
                   std::span<const std::size_t> which, std::span<Vec3> points) {
  const Size3& n = feed.grid().size;
  Volume read;
  Box box{{0, 0, 0}, n};
  if (feed.whole() == nullptr) {
    Size3 low = n, high{-1, -1, -1};
    for (const std::size_t i : which) {
      const std::array<Corner, 3> c = corners(voxel_from_world(points[i]), n);
      for (std::size_t a = 0; a < 3; ++a) {
        low[a] = std::min(low[a], c[a].low);
        high[a] = std::max(high[a], c[a].high);
      }
    }
    // Whole planes are what files give cheaply; a few points need few rows.
    for (std::size_t a = 0; a < 3; ++a) box.size[a] = high[a] - low[a] + 1;
    box.begin = low;
    read = Volume(Grid{box.size, {}}, ScalarType::f32, 3);
    feed.read(box, read.data());
  }
  const Volume& part = feed.whole() != nullptr ? *feed.whole() : read;
  for_blocks(which.size(), [&](std::size_t k) {
    Vec3& p = points[which[k]];
    const std::array<Corner, 3> c = corners(voxel_from_world(p), n);
    const std::optional<Vec3> d = between(part, box, c[0], c[1], c[2]);
    for (std::size_t a = 0; a < 3; ++a) p[a] = d ? p[a] + (*d)[a] : kNowhere[a];
  });
}

}  // namespace

void displace(const VolumeFeed& displacement_mm, std::span<Vec3> points_mm) {
  const Size3& n = displacement_mm.grid().size;
  const Affine voxel_from_world = displacement_mm.grid().voxel_from_world();
  const std::int64_t slab =
      displacement_mm.whole() != nullptr ? n[2] : displacement_mm.slab_planes();
  std::vector<std::vector<std::size_t>> by_slab(static_cast<std::size_t>((n[2] + slab - 1) / slab));
  for (std::size_t i = 0; i < points_mm.size(); ++i) {
    const Vec3 v = voxel_from_world(points_mm[i]);
    if (inside(v, n))  // beyond the grid nothing moves
      by_slab[static_cast<std::size_t>(corner(v[2], n[2]).low / slab)].push_back(i);
  }
  for (const std::vector<std::size_t>& which : by_slab)
    if (!which.empty()) displace_some(displacement_mm, voxel_from_world, which, points_mm);
}

PointMap point_map(const Transform& transform) {
  return [&transform](std::span<Vec3> points) {
    for_blocks(points.size(),
               [&](std::size_t i) { points[i] = transform(points[i]).value_or(kNowhere); });
  };
}

BSplineField::BSplineField(Volume&& coefficients_mm) : coefficients_(std::move(coefficients_mm)) {
  const ScalarType type = coefficients_.type();
  if ((type != ScalarType::f32 && type != ScalarType::f64) || coefficients_.channels() != 3)
    throw Error(ErrorCode::internal, "B-spline coefficients need three channels of f32 or f64.");
  for (const std::int64_t n : coefficients_.grid().size)
    if (n < 4)
      throw Error(
          ErrorCode::bad_input,
          "A cubic B-spline transform has fewer than four control points along an axis, so it "
          "is not defined anywhere.");
}

Vec3 BSplineField::at_world(const Vec3& point_mm) const {
  const Size3& n = control_grid().size;
  const Vec3 v = control_grid().voxel_from_world()(point_mm);
  std::array<std::int64_t, 3> first{};
  std::array<std::array<double, 4>, 3> w{};
  for (int a = 0; a < 3; ++a) {
    // ITK's valid region: the support must lie within the control grid; its upper end is closed.
    const double last = static_cast<double>(n[a]) - 2;
    if (!(v[a] >= 1 - 1e-9 && v[a] <= last + 1e-9)) return {0, 0, 0};
    const double base = std::clamp(std::floor(v[a]), 1.0, std::max(1.0, last - 1));
    first[a] = static_cast<std::int64_t>(base) - 1;
    w[a] = cubic_weights(v[a] - base);
  }
  Vec3 out{};
  dispatch(coefficients_.type(), [&]<class T>() {
    for (int a = 0; a < 3; ++a) {
      const T* c = coefficients_.channel<T>(a);
      for (int k = 0; k < 4; ++k)
        for (int j = 0; j < 4; ++j) {
          const T* row = c + ((first[2] + k) * n[1] + first[1] + j) * n[0] + first[0];
          double sum = 0;
          for (int i = 0; i < 4; ++i) sum += w[0][i] * static_cast<double>(row[i]);
          out[a] += sum * w[1][j] * w[2][k];
        }
    }
  });
  return out;
}

std::optional<Vec3> Transform::operator()(const Vec3& fixed_point_mm) const {
  Vec3 p = fixed_point_mm;
  for (const TransformStage& stage : stages) {
    if (const auto* affine = std::get_if<Affine>(&stage)) {
      p = (*affine)(p);
      continue;
    }
    std::optional<Vec3> d;
    if (const auto* field = std::get_if<DisplacementField>(&stage)) d = field->at_world(p);
    if (const auto* spline = std::get_if<BSplineField>(&stage)) d = spline->at_world(p);
    if (!d) return std::nullopt;
    for (int a = 0; a < 3; ++a) p[a] += (*d)[a];
  }
  return p;
}

bool Transform::is_affine() const {
  return std::all_of(stages.begin(), stages.end(), [](const TransformStage& stage) {
    return std::holds_alternative<Affine>(stage);
  });
}

Affine Transform::as_affine() const {
  if (!is_affine())
    throw Error(
        ErrorCode::usage,
        "A transform with a displacement field cannot be written as one matrix; write a field "
        "or a composite instead.");
  Affine product;
  for (const TransformStage& stage : stages) product = std::get<Affine>(stage) * product;
  return product;
}

}  // namespace gigawarp

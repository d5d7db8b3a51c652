#include <cmath>
#include <vector>

#include "cpu/cpu_ops.h"
#include "cpu/tiles.h"
#include "cpu/warp_row.h"

namespace gigawarp::cpu {
namespace {

GIGAWARP_MULTIVERSION std::int64_t count_valid(const float* row, std::int64_t n) {
  std::int32_t valid = 0;
  for (std::int64_t x = 0; x < n; ++x) valid += row[x] == row[x] ? 1 : 0;
  return valid;
}

void apply_fixed_mask(const ops::ImageView& mask, std::int64_t y, std::int64_t z, float* row) {
  const auto* m = static_cast<const std::uint8_t*>(mask.data) + mask.extent.offset(y, z);
  for (std::int64_t x = 0; x < mask.extent.nx; ++x)
    if (m[x] == 0) row[x] = std::numeric_limits<float>::quiet_NaN();
}

void apply_moving_mask(const ops::ImageView& mask, const Affine& t, const RowPlace& place,
                       float* row) {
  const auto* m = static_cast<const std::uint8_t*>(mask.data);
  const ops::Extent& e = mask.extent;
  for (std::int64_t x = 0; x < place.n; ++x) {
    Vec3 p{static_cast<double>(x), static_cast<double>(place.y), static_cast<double>(place.z)};
    if (place.u[0] != nullptr)
      for (int a = 0; a < 3; ++a) p[a] += static_cast<double>(place.u[a][x]);
    const Vec3 q = t(p);
    const auto i = std::llround(q[0]), j = std::llround(q[1]), k = std::llround(q[2]);
    const bool counts = i >= 0 && j >= 0 && k >= 0 && i < e.nx && j < e.ny && k < e.nz &&
                        m[e.offset(j, k) + i] != 0;
    if (!counts) row[x] = std::numeric_limits<float>::quiet_NaN();
  }
}

}  // namespace

RowPlace row_place(const ops::ImagePair& pair, std::int64_t y, std::int64_t z) {
  RowPlace place;
  place.y = y;
  place.z = z;
  place.n = pair.fixed.extent.nx;
  if (pair.displacement)
    for (int a = 0; a < 3; ++a) place.u[a] = pair.displacement.component[a].row(y, z);
  return place;
}

void warp(const ops::WarpArgs& args, std::vector<ops::PlaneSums>& sums) {
  const ops::ImagePair& pair = args.pair;
  const MovingGeometry geometry(pair.moving, pair.moving_from_fixed);
  const std::int64_t rows = pair.fixed.extent.ny;
  parallel_for(args.range.end - args.range.begin, [&](std::int64_t i) {
    const std::int64_t z = args.range.begin + i;
    std::int64_t valid = 0;
    for (std::int64_t y = 0; y < rows; ++y) {
      const RowPlace place = row_place(pair, y, z);
      float* out = args.warped.row(y, z);
      value_row(pair.moving.type, geometry, pair.moving.data, place, out);
      if (pair.fixed_mask) apply_fixed_mask(pair.fixed_mask, y, z, out);
      if (pair.moving_mask) apply_moving_mask(pair.moving_mask, pair.moving_from_fixed, place, out);
      valid += count_valid(out, place.n);
    }
    sums[static_cast<std::size_t>(z)] = {};
    sums[static_cast<std::size_t>(z)].count = static_cast<double>(valid);
  });
}

void emit_gradient(const ops::ImagePair& pair, const MovingGeometry& geometry,
                   const ops::GradientTarget& target, std::int64_t y, std::int64_t z,
                   const float* dl_dm, ops::PlaneSums& sums) {
  const RowPlace place = row_place(pair, y, z);
  if (target.field) {
    float* field[3];
    for (int a = 0; a < 3; ++a) field[a] = target.field.component[a].row(y, z);
    gradient_row(pair.moving.type, geometry, pair.moving.data, place, dl_dm, target.weight,
                 target.accumulate, field);
  } else {
    affine_gradient_row(pair.moving.type, geometry, pair.moving.data, place, dl_dm, target.weight,
                        sums);
  }
}

}  // namespace gigawarp::cpu

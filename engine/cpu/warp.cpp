#include <algorithm>
#include <cmath>
#include <utility>
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
                        m[mask.offset_of(j, k) + i] != 0;
    if (!counts) row[x] = std::numeric_limits<float>::quiet_NaN();
  }
}

/// field += weight·dl·∇F: the fixed half of the symmetric gradient; gradient_row() added the other.
GIGAWARP_MULTIVERSION void add_fixed_gradient(const float* const rows[5], std::int64_t n,
                                              float scale_y, float scale_z,
                                              const float* __restrict dl_dm, float weight,
                                              float* const field[3]) {
  const float* __restrict centre = rows[0];
  const float* __restrict before_y = rows[1];
  const float* __restrict after_y = rows[2];
  const float* __restrict before_z = rows[3];
  const float* __restrict after_z = rows[4];
  float* __restrict gx = field[0];
  float* __restrict gy = field[1];
  float* __restrict gz = field[2];
  const auto at_edge = [&](std::int64_t x, std::int64_t low, std::int64_t high) {
    if (high > low)
      gx[x] += weight * dl_dm[x] * (centre[high] - centre[low]) / static_cast<float>(high - low);
  };
  at_edge(0, 0, std::min<std::int64_t>(1, n - 1));
  if (n > 1) at_edge(n - 1, n - 2, n - 1);
#pragma omp simd
  for (std::int64_t x = 1; x < n - 1; ++x)
    gx[x] += weight * dl_dm[x] * 0.5F * (centre[x + 1] - centre[x - 1]);
#pragma omp simd
  for (std::int64_t x = 0; x < n; ++x) {
    const float s = weight * dl_dm[x];
    gy[x] += s * scale_y * (after_y[x] - before_y[x]);
    gz[x] += s * scale_z * (after_z[x] - before_z[x]);
  }
}

void add_fixed_half(const ops::ImagePair& pair, std::int64_t y, std::int64_t z, const float* dl_dm,
                    float weight, float* const field[3]) {
  const ops::Extent& e = pair.fixed.extent;
  thread_local std::vector<float> lines;
  lines.resize(static_cast<std::size_t>(5 * e.nx));
  const std::int64_t ym = std::max<std::int64_t>(y - 1, 0), yp = std::min(y + 1, e.ny - 1);
  const std::int64_t zm = std::max<std::int64_t>(z - 1, 0), zp = std::min(z + 1, e.nz - 1);
  const std::pair<std::int64_t, std::int64_t> places[5] = {
      {y, z}, {ym, z}, {yp, z}, {y, zm}, {y, zp}};
  const float* rows[5];
  for (int i = 0; i < 5; ++i) {
    float* line = lines.data() + i * e.nx;
    load_row(pair.fixed, places[i].first, places[i].second, line);
    rows[i] = line;
  }
  add_fixed_gradient(rows, e.nx, yp > ym ? 1.0F / static_cast<float>(yp - ym) : 0.0F,
                     zp > zm ? 1.0F / static_cast<float>(zp - zm) : 0.0F, dl_dm, weight, field);
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
  if (target.intensity) {
    float* const out = target.intensity.row(y, z);
    for (std::int64_t x = 0; x < pair.fixed.extent.nx; ++x) out[x] = target.weight * dl_dm[x];
    return;
  }
  const RowPlace place = row_place(pair, y, z);
  if (target.field) {
    float* field[3];
    for (int a = 0; a < 3; ++a) field[a] = target.field.component[a].row(y, z);
    const float weight = target.symmetric ? 0.5F * target.weight : target.weight;
    gradient_row(pair.moving.type, geometry, pair.moving.data, place, dl_dm, weight,
                 target.accumulate, field);
    if (target.symmetric) add_fixed_half(pair, y, z, dl_dm, weight, field);
  } else {
    affine_gradient_row(pair.moving.type, geometry, pair.moving.data, place, dl_dm, target.weight,
                        sums);
  }
}

}  // namespace gigawarp::cpu

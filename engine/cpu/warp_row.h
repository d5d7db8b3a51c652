#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "cpu/multiversion.h"
#include "ops/similarity.h"

/// The composite sampler on one row: M(T(i + u(i))) and its gradient, without any stored grid.
namespace gigawarp::cpu {

/// T and the moving grid, in the precision the rows need.
struct MovingGeometry {
  float linear[3][3];
  double affine[3][4];
  std::int64_t size[3];
  std::int64_t stride_y, stride_z;
  std::int64_t origin;       ///< element offset of global plane 0 from the data pointer
  const std::int64_t* rows;  ///< ops::ImageView's
  float offset, scale;
  bool small;  ///< element offsets fit 32 bits

  explicit MovingGeometry(const ops::ImageView& moving, const Affine& t)
      : size{moving.extent.nx, moving.extent.ny, moving.extent.nz},
        stride_y(moving.extent.stride_y),
        stride_z(moving.extent.stride_z),
        origin(-moving.extent.z_begin * moving.extent.stride_z),
        rows(moving.rows),
        offset(moving.offset),
        scale(moving.scale) {
    for (int r = 0; r < 3; ++r) {
      for (int c = 0; c < 3; ++c) {
        linear[r][c] = static_cast<float>(t.linear[r][c]);
        affine[r][c] = t.linear[r][c];
      }
      affine[r][3] = t.offset[r];
    }
    small = moving.extent.nz * moving.extent.stride_z < std::numeric_limits<std::int32_t>::max();
  }
};

// One load brings both corners along x of an 8- or 16-bit image; it also vectorises better than
// two.
using UnalignedWord __attribute__((aligned(1), may_alias)) = std::uint32_t;
using UnalignedHalf __attribute__((aligned(1), may_alias)) = std::uint16_t;

template <class T, class Index>
GIGAWARP_ALWAYS_INLINE void load_pair(const T* m, Index i, float& a, float& b) {
  if constexpr (sizeof(T) == 2) {
    const std::uint32_t word = *reinterpret_cast<const UnalignedWord*>(m + i);
    a = static_cast<float>(static_cast<std::int32_t>(static_cast<T>(word & 0xffffU)));
    b = static_cast<float>(static_cast<std::int32_t>(static_cast<T>(word >> 16U)));
  } else if constexpr (sizeof(T) == 1) {
    const std::uint32_t word = *reinterpret_cast<const UnalignedHalf*>(m + i);
    a = static_cast<float>(static_cast<std::int32_t>(static_cast<T>(word & 0xffU)));
    b = static_cast<float>(static_cast<std::int32_t>(static_cast<T>(word >> 8U)));
  } else {
    a = static_cast<float>(m[i]);
    b = static_cast<float>(m[i + 1]);
  }
}

/// u rows (null: zero displacement) and the row's place.
struct RowPlace {
  const float* u[3] = {nullptr, nullptr, nullptr};
  std::int64_t y = 0, z = 0, n = 0;
};

/// In place of the integer in which element offsets are computed: rows lie where the table says.
struct ByTable {};

/// Calls sink(x, value, inside, gx, gy, gz) for x in [0, n); the gradient is with respect to
/// fixed-voxel displacement when kGradient, and it is zero along an axis on which the point is
/// clamped.
template <class T, class Index, bool kField, bool kGradient, class Sink>
GIGAWARP_ALWAYS_INLINE void sample_row(const MovingGeometry& g, const T* __restrict moving,
                                       const RowPlace& row, const Sink& sink) {
  float base[3];
  for (int r = 0; r < 3; ++r)
    base[r] = static_cast<float>(g.affine[r][1] * static_cast<double>(row.y) +
                                 g.affine[r][2] * static_cast<double>(row.z) + g.affine[r][3]);
  const float t00 = g.linear[0][0], t01 = g.linear[0][1], t02 = g.linear[0][2];
  const float t10 = g.linear[1][0], t11 = g.linear[1][1], t12 = g.linear[1][2];
  const float t20 = g.linear[2][0], t21 = g.linear[2][1], t22 = g.linear[2][2];
  const float bx = base[0], by = base[1], bz = base[2];
  const auto hx = static_cast<float>(g.size[0] - 1), hy = static_cast<float>(g.size[1] - 1),
             hz = static_cast<float>(g.size[2] - 1);
  // A one-voxel axis has no second corner: its step is zero and both corners are the same voxel.
  const auto ix = static_cast<std::int32_t>(std::max<std::int64_t>(g.size[0] - 2, 0)),
             iy = static_cast<std::int32_t>(std::max<std::int64_t>(g.size[1] - 2, 0)),
             iz = static_cast<std::int32_t>(std::max<std::int64_t>(g.size[2] - 2, 0));
  constexpr bool kByTable = std::is_same_v<Index, ByTable>;
  using Offset = std::conditional_t<kByTable, std::int64_t, Index>;
  // Elements, or entries of the table.
  const auto sy = static_cast<Offset>(kByTable ? 1 : g.stride_y),
             sz = static_cast<Offset>(kByTable ? g.size[1] : g.stride_z);
  const Offset step_y = g.size[1] > 1 ? sy : 0, step_z = g.size[2] > 1 ? sz : 0;
  const auto origin = static_cast<Offset>(g.origin);
  const std::int64_t* __restrict table = g.rows;
  const float thick_x = g.size[0] > 1 ? 1.0F : 0.0F;
  const float* __restrict ux = row.u[0];
  const float* __restrict uy = row.u[1];
  const float* __restrict uz = row.u[2];
  const float offset = g.offset, scale = g.scale;
#pragma omp simd
  for (std::int64_t x = 0; x < row.n; ++x) {
    auto vx = static_cast<float>(static_cast<std::int32_t>(x));
    float px, py, pz;
    if constexpr (kField) {
      vx += ux[x];
      const float vy = uy[x], vz = uz[x];
      px = bx + t00 * vx + t01 * vy + t02 * vz;
      py = by + t10 * vx + t11 * vy + t12 * vz;
      pz = bz + t20 * vx + t21 * vy + t22 * vz;
    } else {
      px = bx + t00 * vx;
      py = by + t10 * vx;
      pz = bz + t20 * vx;
    }
    float cx = px < 0 ? 0.0F : px, cy = py < 0 ? 0.0F : py, cz = pz < 0 ? 0.0F : pz;
    cx = cx > hx ? hx : cx;
    cy = cy > hy ? hy : cy;
    cz = cz > hz ? hz : cz;
    auto i = static_cast<std::int32_t>(cx), j = static_cast<std::int32_t>(cy),
         k = static_cast<std::int32_t>(cz);
    i = i > ix ? ix : i;
    j = j > iy ? iy : j;
    k = k > iz ? iz : k;
    const float fx = cx - static_cast<float>(i), fy = cy - static_cast<float>(j),
                fz = cz - static_cast<float>(k);
    const Offset row_at = static_cast<Offset>(k) * sz + static_cast<Offset>(j) * sy;
    const auto along = static_cast<Offset>(i);
    const auto place = [&](Offset row_of_corner) __attribute__((always_inline)) {
      if constexpr (kByTable)
        return table[row_of_corner] + along;
      else
        return origin + row_of_corner + along;
    };
    float a, b, c, d, e, f, m, n;
    load_pair<T, Offset>(moving, place(row_at), a, b);
    load_pair<T, Offset>(moving, place(row_at + step_y), c, d);
    load_pair<T, Offset>(moving, place(row_at + step_z), e, f);
    load_pair<T, Offset>(moving, place(row_at + step_y + step_z), m, n);
    // With one voxel along x the second corner lies in the next row: take the first instead.
    const float dab = (b - a) * thick_x, dcd = (d - c) * thick_x, def = (f - e) * thick_x,
                dmn = (n - m) * thick_x;
    const float v00 = a + dab * fx, v10 = c + dcd * fx, v01 = e + def * fx, v11 = m + dmn * fx;
    const float v0 = v00 + (v10 - v00) * fy, v1 = v01 + (v11 - v01) * fy;
    const float value = (v0 + (v1 - v0) * fz - offset) * scale;
    const bool inside = (px > -0.5F) & (px < hx + 0.5F) & (py > -0.5F) & (py < hy + 0.5F) &
                        (pz > -0.5F) & (pz < hz + 0.5F);
    if constexpr (kGradient) {
      const float x0 = dab + (dcd - dab) * fy, x1 = def + (dmn - def) * fy;
      float mx = (x0 + (x1 - x0) * fz) * scale;
      float my = ((v10 - v00) + ((v11 - v01) - (v10 - v00)) * fz) * scale;
      float mz = (v1 - v0) * scale;
      mx = ((px > 0) & (px < hx)) ? mx : 0.0F;
      my = ((py > 0) & (py < hy)) ? my : 0.0F;
      mz = ((pz > 0) & (pz < hz)) ? mz : 0.0F;
      sink(x, value, inside, mx, my, mz);
    } else {
      sink(x, value, inside, 0.0F, 0.0F, 0.0F);
    }
  }
}

/// Row kernels by moving type, each compiled for several instruction sets (warp_rows.cpp).
/// Values: out[x] = M(T(i+u)) scaled, NaN outside.
void value_row(ScalarType type, const MovingGeometry& g, const void* moving, const RowPlace& row,
               float* out);
/// field[c][x] (+)= weight · (T_linᵀ ∇M)_c · dl_dm[x].
void gradient_row(ScalarType type, const MovingGeometry& g, const void* moving, const RowPlace& row,
                  const float* dl_dm, float weight, bool accumulate, float* const field[3]);
/// Adds sums of ∇M·dL/dM and ∇M·dL/dM·i over the row (moving-voxel axes of ∇M).
void affine_gradient_row(ScalarType type, const MovingGeometry& g, const void* moving,
                         const RowPlace& row, const float* dl_dm, float weight,
                         ops::PlaneSums& sums);
/// Scaled fixed intensities of a row as float.
void load_row(const ops::ImageView& image, std::int64_t y, std::int64_t z, float* out);

}  // namespace gigawarp::cpu

#include "render/slice_rows.h"

#include <algorithm>
#include <limits>

#include "cpu/multiversion.h"

namespace gigawarp::render {
namespace {

/// Half a voxel, and a little for rounding.
constexpr float kHalf = 0.50001F;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// One load brings both corners along x of an 8- or 16-bit volume.
using UnalignedWord __attribute__((aligned(1), may_alias)) = std::uint32_t;
using UnalignedHalf __attribute__((aligned(1), may_alias)) = std::uint16_t;

template <class T, class Index>
GIGAWARP_ALWAYS_INLINE void load_corners(const T* data, Index i, float& a, float& b) {
  if constexpr (sizeof(T) == 2) {
    const std::uint32_t word = *reinterpret_cast<const UnalignedWord*>(data + i);
    a = static_cast<float>(static_cast<std::int32_t>(static_cast<T>(word & 0xffffU)));
    b = static_cast<float>(static_cast<std::int32_t>(static_cast<T>(word >> 16U)));
  } else if constexpr (sizeof(T) == 1) {
    const std::uint32_t word = *reinterpret_cast<const UnalignedHalf*>(data + i);
    a = static_cast<float>(static_cast<std::int32_t>(static_cast<T>(word & 0xffU)));
    b = static_cast<float>(static_cast<std::int32_t>(static_cast<T>(word >> 8U)));
  } else {
    a = static_cast<float>(data[i]);
    b = static_cast<float>(data[i + 1]);
  }
}

/// The cell of a position: offset of its first corner, weights, and whether it is inside.
template <class Index>
struct Cell {
  Index first;
  float fx, fy, fz;
  bool inside;
};

template <class Index>
GIGAWARP_ALWAYS_INLINE Cell<Index> cell_at(const RowLattice& l, float px, float py, float pz) {
  // NaN compares false and is taken to 0, so that no index is wild.
  float cx = px > 0 ? px : 0.0F, cy = py > 0 ? py : 0.0F, cz = pz > 0 ? pz : 0.0F;
  cx = cx > l.last[0] ? l.last[0] : cx;
  cy = cy > l.last[1] ? l.last[1] : cy;
  cz = cz > l.last[2] ? l.last[2] : cz;
  auto i = static_cast<std::int32_t>(cx), j = static_cast<std::int32_t>(cy),
       k = static_cast<std::int32_t>(cz);
  i = i > l.last_low[0] ? l.last_low[0] : i;
  j = j > l.last_low[1] ? l.last_low[1] : j;
  k = k > l.last_low[2] ? l.last_low[2] : k;
  Cell<Index> cell;
  cell.fx = (cx - static_cast<float>(i)) * l.thick_x;
  cell.fy = cy - static_cast<float>(j);
  cell.fz = cz - static_cast<float>(k);
  cell.first = static_cast<Index>(k) * static_cast<Index>(l.stride_z) +
               static_cast<Index>(j) * static_cast<Index>(l.stride_y) + static_cast<Index>(i);
  cell.inside = (px >= -kHalf) & (px <= l.last[0] + kHalf) & (py >= -kHalf) &
                (py <= l.last[1] + kHalf) & (pz >= -kHalf) & (pz <= l.last[2] + kHalf);
  return cell;
}

template <class T, class Index>
GIGAWARP_ALWAYS_INLINE float linear_at(const RowLattice& l, const T* data,
                                       const Cell<Index>& cell) {
  const auto sy = static_cast<Index>(l.step_y), sz = static_cast<Index>(l.step_z);
  float a, b, c, d, e, f, g, h;
  load_corners<T, Index>(data, cell.first, a, b);
  load_corners<T, Index>(data, cell.first + sy, c, d);
  load_corners<T, Index>(data, cell.first + sz, e, f);
  load_corners<T, Index>(data, cell.first + sy + sz, g, h);
  // With one voxel along x the second corner is another row's, maybe NaN: left out, not weighed 0.
  b = l.thick_x > 0 ? b : a;
  d = l.thick_x > 0 ? d : c;
  f = l.thick_x > 0 ? f : e;
  h = l.thick_x > 0 ? h : g;
  const float v00 = a + (b - a) * cell.fx, v10 = c + (d - c) * cell.fx, v01 = e + (f - e) * cell.fx,
              v11 = g + (h - g) * cell.fx;
  const float v0 = v00 + (v10 - v00) * cell.fy, v1 = v01 + (v11 - v01) * cell.fy;
  return v0 + (v1 - v0) * cell.fz;
}

template <class T, class Index>
GIGAWARP_ALWAYS_INLINE void linear_row_of(const RowLattice& l, const void* data, const RowPoints& p,
                                          float* __restrict out) {
  const float* __restrict x = p.x;
  const float* __restrict y = p.y;
  const float* __restrict z = p.z;
  const T* __restrict values = static_cast<const T*>(data);
#pragma omp simd
  for (std::int64_t i = 0; i < p.n; ++i) {
    const Cell<Index> cell = cell_at<Index>(l, x[i], y[i], z[i]);
    const float value = linear_at<T, Index>(l, values, cell);
    out[i] = cell.inside ? value : kNan;
  }
}

template <class Index>
GIGAWARP_ALWAYS_INLINE void displace_row_of(const RowPoints& p, const RowMap& m,
                                            const RowLattice& l, const float* const planes[3]) {
  float* __restrict px = p.x;
  float* __restrict py = p.y;
  float* __restrict pz = p.z;
  const float* __restrict ux = planes[0];
  const float* __restrict uy = planes[1];
  const float* __restrict uz = planes[2];
#pragma omp simd
  for (std::int64_t i = 0; i < p.n; ++i) {
    const float x = px[i], y = py[i], z = pz[i];
    const Cell<Index> cell =
        cell_at<Index>(l, m.m[0][0] * x + m.m[0][1] * y + m.m[0][2] * z + m.m[0][3],
                       m.m[1][0] * x + m.m[1][1] * y + m.m[1][2] * z + m.m[1][3],
                       m.m[2][0] * x + m.m[2][1] * y + m.m[2][2] * z + m.m[2][3]);
    const float dx = linear_at<float, Index>(l, ux, cell),
                dy = linear_at<float, Index>(l, uy, cell),
                dz = linear_at<float, Index>(l, uz, cell);
    px[i] = cell.inside ? x + dx : x;
    py[i] = cell.inside ? y + dy : y;
    pz[i] = cell.inside ? z + dz : z;
  }
}

#define GIGAWARP_LINEAR_ROW(T)                                                          \
  GIGAWARP_MULTIVERSION void linear_row_small(T, const RowLattice& l, const void* data, \
                                              const RowPoints& p, float* out) {         \
    linear_row_of<T, std::int32_t>(l, data, p, out);                                    \
  }                                                                                     \
  GIGAWARP_MULTIVERSION void linear_row_large(T, const RowLattice& l, const void* data, \
                                              const RowPoints& p, float* out) {         \
    linear_row_of<T, std::int64_t>(l, data, p, out);                                    \
  }
GIGAWARP_LINEAR_ROW(std::uint8_t)
GIGAWARP_LINEAR_ROW(std::int8_t)
GIGAWARP_LINEAR_ROW(std::uint16_t)
GIGAWARP_LINEAR_ROW(std::int16_t)
GIGAWARP_LINEAR_ROW(std::uint32_t)
GIGAWARP_LINEAR_ROW(std::int32_t)
GIGAWARP_LINEAR_ROW(float)
GIGAWARP_LINEAR_ROW(double)
#undef GIGAWARP_LINEAR_ROW

GIGAWARP_MULTIVERSION void displace_row_small(const RowPoints& p, const RowMap& m,
                                              const RowLattice& l, const float* const planes[3]) {
  displace_row_of<std::int32_t>(p, m, l, planes);
}
GIGAWARP_MULTIVERSION void displace_row_large(const RowPoints& p, const RowMap& m,
                                              const RowLattice& l, const float* const planes[3]) {
  displace_row_of<std::int64_t>(p, m, l, planes);
}

GIGAWARP_ALWAYS_INLINE float shown(float value, float low, float scale) {
  const float t = (value - low) * scale;  // NaN gives 0: it compares false
  const float positive = t > 0 ? t : 0.0F;
  return positive < 1 ? positive : 1.0F;
}

GIGAWARP_ALWAYS_INLINE std::uint32_t channel(float level) {
  const auto rounded = static_cast<std::int32_t>(level);
  return static_cast<std::uint32_t>(rounded > 255 ? 255 : rounded);
}

}  // namespace

RowMap::RowMap(const Affine& affine) {
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 3; ++c) m[r][c] = static_cast<float>(affine.linear[r][c]);
    m[r][3] = static_cast<float>(affine.offset[r]);
  }
}

RowLattice::RowLattice(const Size3& n)
    : step_y(n[1] > 1 ? n[0] : 0),
      step_z(n[2] > 1 ? n[0] * n[1] : 0),
      stride_y(n[0]),
      stride_z(n[0] * n[1]),
      thick_x(n[0] > 1 ? 1.0F : 0.0F),
      small(n[0] * n[1] * n[2] < std::numeric_limits<std::int32_t>::max() / 2) {
  for (std::size_t a = 0; a < 3; ++a) {
    last[a] = static_cast<float>(n[a] - 1);
    last_low[a] = static_cast<std::int32_t>(std::max<std::int64_t>(n[a] - 2, 0));
  }
}

GIGAWARP_MULTIVERSION void start_row(const RowPoints& p, const Vec3& first, const Vec3& step) {
  const auto fx = static_cast<float>(first[0]), fy = static_cast<float>(first[1]),
             fz = static_cast<float>(first[2]);
  const auto dx = static_cast<float>(step[0]), dy = static_cast<float>(step[1]),
             dz = static_cast<float>(step[2]);
#pragma omp simd
  for (std::int64_t i = 0; i < p.n; ++i) {
    const auto t = static_cast<float>(static_cast<std::int32_t>(i));
    p.x[i] = fx + t * dx;
    p.y[i] = fy + t * dy;
    p.z[i] = fz + t * dz;
  }
}

GIGAWARP_MULTIVERSION void map_row(const RowPoints& p, const RowMap& map) {
  const auto& m = map.m;
#pragma omp simd
  for (std::int64_t i = 0; i < p.n; ++i) {
    const float x = p.x[i], y = p.y[i], z = p.z[i];
    p.x[i] = m[0][0] * x + m[0][1] * y + m[0][2] * z + m[0][3];
    p.y[i] = m[1][0] * x + m[1][1] * y + m[1][2] * z + m[1][3];
    p.z[i] = m[2][0] * x + m[2][1] * y + m[2][2] * z + m[2][3];
  }
}

void displace_row(const RowPoints& p, const RowMap& voxel_from_world, const RowLattice& field,
                  const float* const planes[3]) {
  if (field.small)
    displace_row_small(p, voxel_from_world, field, planes);
  else
    displace_row_large(p, voxel_from_world, field, planes);
}

void linear_row(ScalarType type, const RowLattice& lattice, const void* data, const RowPoints& p,
                float* out) {
  dispatch(type, [&]<class T>() {
    if (lattice.small)
      linear_row_small(T{}, lattice, data, p, out);
    else
      linear_row_large(T{}, lattice, data, p, out);
  });
}

GIGAWARP_MULTIVERSION void blend_row(const float* __restrict fixed, const BlendSide& f,
                                     const float* __restrict moving, const BlendSide& m,
                                     QRgb background, QRgb* __restrict out, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const float a = shown(fixed[i], f.low, f.scale), b = shown(moving[i], m.low, m.scale);
    const std::uint32_t pixel = 0xff000000U | channel(a * f.red + b * m.red) << 16U |
                                channel(a * f.green + b * m.green) << 8U |
                                channel(a * f.blue + b * m.blue);
    const bool nothing = (fixed[i] != fixed[i]) & (moving[i] != moving[i]);
    out[i] = nothing ? background : pixel;
  }
}

GIGAWARP_MULTIVERSION void grey_row(const float* __restrict values, float low, float scale,
                                    QRgb background, QRgb* __restrict out, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint32_t level = channel(255 * shown(values[i], low, scale) + 0.5F);
    out[i] = values[i] != values[i] ? background : 0xff000000U | level * 0x010101U;
  }
}

}  // namespace gigawarp::render

#pragma once
#include <cstdint>

#include "math/packed.h"
#include "ops/similarity.h"

/// The composite sampler on the device: M(T(i + u(i))) and its gradient, with the rules of
/// cpu/warp_row.h: inside is within half a voxel of the moving grid, clamped there, and the
/// gradient is zero along an axis on which the point is clamped.
namespace gigawarp::cuda {

/// An image of one type, as kernels take it.
struct DeviceImage {
  const void* data = nullptr;
  ScalarType type = ScalarType::f32;
  std::int64_t stride_y = 0, stride_z = 0, z_begin = 0;
  int nx = 0, ny = 0, nz = 0;
  float offset = 0, scale = 1;

  DeviceImage() = default;
  explicit DeviceImage(const ops::ImageView& v)
      : data(v.data),
        type(v.type),
        stride_y(v.extent.stride_y),
        stride_z(v.extent.stride_z),
        z_begin(v.extent.z_begin),
        nx(static_cast<int>(v.extent.nx)),
        ny(static_cast<int>(v.extent.ny)),
        nz(static_cast<int>(v.extent.nz)),
        offset(v.offset),
        scale(v.scale) {}

  __device__ std::int64_t index(int x, int y, int z) const {
    return (z - z_begin) * stride_z + y * stride_y + x;
  }
  template <class T>
  __device__ float raw(std::int64_t i) const {
    return static_cast<float>(static_cast<const T*>(data)[i]);
  }
  /// Scaled; the switch is uniform over the grid.
  __device__ float value(std::int64_t i) const {
    float v;
    switch (type) {
      case ScalarType::u8: v = raw<std::uint8_t>(i); break;
      case ScalarType::i8: v = raw<std::int8_t>(i); break;
      case ScalarType::u16: v = raw<std::uint16_t>(i); break;
      case ScalarType::i16: v = raw<std::int16_t>(i); break;
      default: v = raw<float>(i); break;
    }
    return (v - offset) * scale;
  }
};

/// T, and the images and masks of one channel. Displacements are compact or absent.
struct DevicePair {
  DeviceImage fixed, moving, fixed_mask, moving_mask;
  float t[3][3] = {};
  double offset[3] = {};
  double linear[3][3] = {};
  const std::uint64_t* u = nullptr;
  std::int64_t u_stride_y = 0, u_stride_z = 0, u_z_begin = 0;

  explicit DevicePair(const ops::ImagePair& p)
      : fixed(p.fixed), moving(p.moving), fixed_mask(p.fixed_mask), moving_mask(p.moving_mask) {
    for (int r = 0; r < 3; ++r) {
      offset[r] = p.moving_from_fixed.offset[r];
      for (int c = 0; c < 3; ++c) {
        linear[r][c] = p.moving_from_fixed.linear[r][c];
        t[r][c] = static_cast<float>(linear[r][c]);
      }
    }
    if (!p.displacement) return;
    const ops::Extent& e = p.displacement.packed.extent;
    u = p.displacement.packed.data;
    u_stride_y = e.stride_y;
    u_stride_z = e.stride_z;
    u_z_begin = e.z_begin;
  }

  /// T(i + u(i)) in moving voxels. The affine part of the row's place is taken in double.
  __device__ math::Float3 moving_point(int x, int y, int z) const {
    math::Float3 v;
    if (u != nullptr) v = math::unpack_vector(u[(z - u_z_begin) * u_stride_z + y * u_stride_y + x]);
    v.x += static_cast<float>(x);
    const double dy = y, dz = z;
    const float bx = static_cast<float>(linear[0][1] * dy + linear[0][2] * dz + offset[0]);
    const float by = static_cast<float>(linear[1][1] * dy + linear[1][2] * dz + offset[1]);
    const float bz = static_cast<float>(linear[2][1] * dy + linear[2][2] * dz + offset[2]);
    return {bx + t[0][0] * v.x + t[0][1] * v.y + t[0][2] * v.z,
            by + t[1][0] * v.x + t[1][1] * v.y + t[1][2] * v.z,
            bz + t[2][0] * v.x + t[2][1] * v.y + t[2][2] * v.z};
  }
};

struct Sampled {
  float value = 0;
  bool inside = false;
  math::Float3 gradient;  ///< ∇M along moving axes, per moving voxel; scaled
};

/// Position along one axis: lower corner, step to the upper one (0 on one-voxel axes), fraction,
/// whether free (not clamped), whether inside.
struct AxisPlace {
  int low;
  int step;
  float fraction;
  bool free, inside;
};

__device__ inline AxisPlace axis_place(float p, int n) {
  AxisPlace a;
  const float high = static_cast<float>(n - 1);
  a.inside = p > -0.5F && p < high + 0.5F;
  a.free = p > 0.0F && p < high;
  const float c = fminf(fmaxf(p, 0.0F), high);
  a.low = min(static_cast<int>(c), max(n - 2, 0));
  a.step = n > 1 ? 1 : 0;
  a.fraction = c - static_cast<float>(a.low);
  return a;
}

template <class T, bool kGradient>
__device__ inline Sampled sample(const DeviceImage& m, const math::Float3& p) {
  const AxisPlace ax = axis_place(p.x, m.nx), ay = axis_place(p.y, m.ny),
                  az = axis_place(p.z, m.nz);
  const T* corner = static_cast<const T*>(m.data) + m.index(ax.low, ay.low, az.low);
  const std::int64_t sy = ay.step != 0 ? m.stride_y : 0, sz = az.step != 0 ? m.stride_z : 0;
  const float a = static_cast<float>(corner[0]), b = static_cast<float>(corner[ax.step]);
  const float c = static_cast<float>(corner[sy]), d = static_cast<float>(corner[sy + ax.step]);
  const float e = static_cast<float>(corner[sz]), f = static_cast<float>(corner[sz + ax.step]);
  const float g = static_cast<float>(corner[sz + sy]),
              h = static_cast<float>(corner[sz + sy + ax.step]);
  const float dab = b - a, dcd = d - c, def = f - e, dgh = h - g;
  const float v00 = a + dab * ax.fraction, v10 = c + dcd * ax.fraction, v01 = e + def * ax.fraction,
              v11 = g + dgh * ax.fraction;
  const float v0 = v00 + (v10 - v00) * ay.fraction, v1 = v01 + (v11 - v01) * ay.fraction;
  Sampled s;
  s.value = (v0 + (v1 - v0) * az.fraction - m.offset) * m.scale;
  s.inside = ax.inside && ay.inside && az.inside;
  if constexpr (kGradient) {
    const float x0 = dab + (dcd - dab) * ay.fraction, x1 = def + (dgh - def) * ay.fraction;
    s.gradient.x = ax.free ? (x0 + (x1 - x0) * az.fraction) * m.scale : 0.0F;
    s.gradient.y =
        ay.free ? ((v10 - v00) + ((v11 - v01) - (v10 - v00)) * az.fraction) * m.scale : 0.0F;
    s.gradient.z = az.free ? (v1 - v0) * m.scale : 0.0F;
  }
  return s;
}

/// Whether the masks let this voxel count; nearest moving voxel decides.
__device__ inline bool masks_allow(const DevicePair& pair, int x, int y, int z,
                                   const math::Float3& p) {
  if (pair.fixed_mask.data != nullptr &&
      static_cast<const std::uint8_t*>(pair.fixed_mask.data)[pair.fixed_mask.index(x, y, z)] == 0)
    return false;
  if (pair.moving_mask.data == nullptr) return true;
  const DeviceImage& m = pair.moving_mask;
  const int i = __float2int_rn(p.x), j = __float2int_rn(p.y), k = __float2int_rn(p.z);
  return i >= 0 && j >= 0 && k >= 0 && i < m.nx && j < m.ny && k < m.nz &&
         static_cast<const std::uint8_t*>(m.data)[m.index(i, j, k)] != 0;
}

/// T_linᵀ g: a gradient along moving axes as one with respect to the displacement.
__device__ inline math::Float3 along_fixed_axes(const DevicePair& pair, const math::Float3& g) {
  return {pair.t[0][0] * g.x + pair.t[1][0] * g.y + pair.t[2][0] * g.z,
          pair.t[0][1] * g.x + pair.t[1][1] * g.y + pair.t[2][1] * g.z,
          pair.t[0][2] * g.x + pair.t[1][2] * g.y + pair.t[2][2] * g.z};
}

/// ∇F at a fixed voxel: central differences, one-sided at the border.
__device__ inline math::Float3 fixed_gradient(const DeviceImage& f, int x, int y, int z) {
  const auto along = [&](int low, int high, std::int64_t il, std::int64_t ih) {
    return high > low ? (f.value(ih) - f.value(il)) / static_cast<float>(high - low) : 0.0F;
  };
  const int xm = max(x - 1, 0), xp = min(x + 1, f.nx - 1), ym = max(y - 1, 0),
            yp = min(y + 1, f.ny - 1), zm = max(z - 1, 0), zp = min(z + 1, f.nz - 1);
  return {along(xm, xp, f.index(xm, y, z), f.index(xp, y, z)),
          along(ym, yp, f.index(x, ym, z), f.index(x, yp, z)),
          along(zm, zp, f.index(x, y, zm), f.index(x, y, zp))};
}

/// Calls f.template operator()<T>() with the voxel type of `type`; types the samplers do not take
/// never get here (solve::ResidentImage converts them).
template <class F>
void dispatch_type(ScalarType type, F&& f) {
  switch (type) {
    case ScalarType::u8: f.template operator()<std::uint8_t>(); return;
    case ScalarType::i8: f.template operator()<std::int8_t>(); return;
    case ScalarType::u16: f.template operator()<std::uint16_t>(); return;
    case ScalarType::i16: f.template operator()<std::int16_t>(); return;
    default: f.template operator()<float>(); return;
  }
}

}  // namespace gigawarp::cuda

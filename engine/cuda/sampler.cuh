#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "cuda/device_view.cuh"
#include "math/packed.h"
#include "ops/similarity.h"

/// The composite sampler on the device: M(T(i + u(i))) and its gradient, with the rules of
/// cpu/warp_row.h: inside is within half a voxel of the moving grid, clamped there, and the
/// gradient is zero along an axis on which the point is clamped.
namespace gigawarp::cuda {

/// An image of one type, as kernels take it. Planes below 2^31 voxels.
struct DeviceImage {
  const void* data = nullptr;  ///< of voxel (0, 0, 0)
  ScalarType type = ScalarType::f32;
  int stride_y = 0, stride_z = 0;
  int nx = 0, ny = 0, nz = 0;
  float offset = 0, scale = 1;
  Axis x, y, z;
  const std::int64_t* rows = nullptr;  ///< ops::ImageView's

  DeviceImage() = default;
  explicit DeviceImage(const ops::ImageView& v)
      : data(v.data == nullptr || v.rows != nullptr
                 ? v.data
                 : static_cast<const std::byte*>(v.data) -
                       v.extent.z_begin * v.extent.stride_z *
                           static_cast<std::int64_t>(size_of(v.type))),
        type(v.type),
        stride_y(static_cast<int>(v.extent.stride_y)),
        stride_z(static_cast<int>(v.extent.stride_z)),
        nx(static_cast<int>(v.extent.nx)),
        ny(static_cast<int>(v.extent.ny)),
        nz(static_cast<int>(v.extent.nz)),
        offset(v.offset),
        scale(v.scale),
        x(nx, 1),
        y(ny, stride_y),
        z(nz, stride_z),
        rows(v.rows) {}

  __device__ std::int64_t index(int x, int y, int z) const {
    return static_cast<std::int64_t>(z) * stride_z + (y * stride_y + x);
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
    return __fmul_rn(v - offset, scale);
  }
};

/// T, and the images and masks of one channel. Displacements are compact or absent.
///
/// T is kept about a fixed voxel c in the middle, T(i) = T(c) + L·(i − c): in fp32 that is within
/// 1e-4 voxel up to 2048 voxels from c, exact for the identity, and needs no double on the device.
struct DevicePair {
  DeviceImage fixed, moving, fixed_mask, moving_mask;
  float t[3][3] = {};
  float t_steps[3][3] = {};             ///< the same for steps of a packed displacement
  float t_scaled[3][3] = {};            ///< the same, times the moving intensities' scale
  float centre[3] = {}, image[3] = {};  ///< c and T(c)
  Plane<const std::uint64_t> u;

  explicit DevicePair(const ops::ImagePair& p)
      : fixed(p.fixed), moving(p.moving), fixed_mask(p.fixed_mask), moving_mask(p.moving_mask) {
    const Vec3 c{static_cast<double>(fixed.nx / 2), static_cast<double>(fixed.ny / 2),
                 static_cast<double>(fixed.nz / 2)};
    const Vec3 there = p.moving_from_fixed(c);
    for (int r = 0; r < 3; ++r) {
      centre[r] = static_cast<float>(c[r]);
      image[r] = static_cast<float>(there[r]);
      for (int k = 0; k < 3; ++k) {
        t[r][k] = static_cast<float>(p.moving_from_fixed.linear[r][k]);
        t_steps[r][k] = t[r][k] / math::kPackedSteps;  // exact: a power of two
        t_scaled[r][k] = t[r][k] * moving.scale;
      }
    }
    if (!p.displacement) return;
    const ops::Extent& e = p.displacement.packed.extent;
    u = {p.displacement.packed.data - e.z_begin * e.stride_z, e};
  }

  /// T of a fixed voxel but for its part along `kAxis`, which moving_point() adds: what a march
  /// along that axis computes once.
  template <int kAxis>
  __device__ math::Float3 base(int i, int j, int k) const {
    constexpr int a = kAxis == 0 ? 1 : 0, b = kAxis == 2 ? 1 : 2;
    const int at[3] = {i, j, k};
    const float p = static_cast<float>(at[a]) - centre[a],
                q = static_cast<float>(at[b]) - centre[b];
    return {fmaf(t[0][a], p, fmaf(t[0][b], q, image[0])),
            fmaf(t[1][a], p, fmaf(t[1][b], q, image[1])),
            fmaf(t[2][a], p, fmaf(t[2][b], q, image[2]))};
  }
  /// T(i + u(i)) in moving voxels, from base<kAxis>(), the coordinate along kAxis and the word of
  /// u.
  template <int kAxis>
  __device__ math::Float3 moving_point(const math::Float3& base, int i, std::uint64_t word) const {
    const math::Float3 s = math::unpack_vector_steps(word);
    const float d = static_cast<float>(i) - centre[kAxis];
    const auto row = [&](int r, float from) {
      return fmaf(t_steps[r][0], s.x,
                  fmaf(t_steps[r][1], s.y, fmaf(t_steps[r][2], s.z, fmaf(t[r][kAxis], d, from))));
    };
    return {row(0, base.x), row(1, base.y), row(2, base.z)};
  }
  __device__ std::uint64_t displacement(int x, int y, int z) const {
    return u.data != nullptr ? __ldg(u.at(x, y, z)) : math::kPackedZero;
  }
};

struct Sampled {
  float value = 0;
  bool inside = false;
  math::Float3 gradient;  ///< ∇M along moving axes, per moving voxel; not scaled
};

/// From the eight corners, by rows of (y, z), (y + 1, z), (y, z + 1), (y + 1, z + 1).
template <class T, bool kGradient>
__device__ inline Sampled interpolate(const DeviceImage& m, const CornerRows<T>& at, int next,
                                      float fx, float fy, float fz) {
  const float a = static_cast<float>(__ldg(at.row[0])),
              b = static_cast<float>(__ldg(at.row[0] + next));
  const float c = static_cast<float>(__ldg(at.row[1])),
              d = static_cast<float>(__ldg(at.row[1] + next));
  const float e = static_cast<float>(__ldg(at.row[2])),
              f = static_cast<float>(__ldg(at.row[2] + next));
  const float g = static_cast<float>(__ldg(at.row[3])),
              h = static_cast<float>(__ldg(at.row[3] + next));
  const float dab = b - a, dcd = d - c, def = f - e, dgh = h - g;
  const float v00 = fmaf(dab, fx, a), v10 = fmaf(dcd, fx, c), v01 = fmaf(def, fx, e),
              v11 = fmaf(dgh, fx, g);
  const float y0 = v10 - v00, y1 = v11 - v01;
  const float v0 = fmaf(y0, fy, v00), v1 = fmaf(y1, fy, v01), dz = v1 - v0;
  Sampled s;
  // Not fused with what follows, so that every kernel sees the same value.
  s.value = __fmul_rn(fmaf(dz, fz, v0) - m.offset, m.scale);
  if constexpr (kGradient) {
    const float x0 = fmaf(dcd - dab, fy, dab), x1 = fmaf(dgh - def, fy, def);
    s.gradient = {fmaf(x1 - x0, fz, x0), fmaf(y1 - y0, fz, y0), dz};
  }
  return s;
}

/// corner_rows() of an image of which only parts of rows are stored.
template <class T>
__device__ inline CornerRows<T> corners_by_table(const DeviceImage& m, int i, int j, int k) {
  const int step_y = m.y.step != 0 ? 1 : 0, step_z = m.z.step != 0 ? m.ny : 0;
  const std::int64_t* const first = m.rows + (static_cast<std::int64_t>(k) * m.ny + j);
  const T* const data = static_cast<const T*>(m.data) + i;
  return {{data + __ldg(first), data + __ldg(first + step_y), data + __ldg(first + step_z),
           data + __ldg(first + step_y + step_z)}};
}

/// Anywhere. kTable: DeviceImage::rows is there.
template <class T, bool kGradient, bool kTable = false>
__device__ inline Sampled sample(const DeviceImage& m, const math::Float3& p) {
  const AxisPlace ax = axis_place(p.x, m.x), ay = axis_place(p.y, m.y), az = axis_place(p.z, m.z);
  CornerRows<T> at;
  if constexpr (kTable)
    at = corners_by_table<T>(m, ax.low, ay.low, az.low);
  else
    at = corner_rows(static_cast<const T*>(m.data), m.y, m.z, m.stride_y, m.stride_z, ax.low,
                     ay.low, az.low);
  Sampled s = interpolate<T, kGradient>(m, at, m.x.step, ax.fraction, ay.fraction, az.fraction);
  s.inside = m.x.inside(p.x) && m.y.inside(p.y) && m.z.inside(p.z);
  if constexpr (kGradient) {
    if (!m.x.is_free(p.x)) s.gradient.x = 0;
    if (!m.y.is_free(p.y)) s.gradient.y = 0;
    if (!m.z.is_free(p.z)) s.gradient.z = 0;
  }
  return s;
}

/// Between the first and the last voxel of every axis: the same, without clamps and questions.
template <class T, bool kGradient>
__device__ inline Sampled sample_within(const DeviceImage& m, const math::Float3& p) {
  const float x = __fadd_rd(p.x, kFloorMagic), y = __fadd_rd(p.y, kFloorMagic),
              z = __fadd_rd(p.z, kFloorMagic);
  const unsigned in_plane =
      static_cast<unsigned>(__float_as_int(y) - kFloorBits) * static_cast<unsigned>(m.stride_y) +
      static_cast<unsigned>(__float_as_int(x) - kFloorBits);
  const T* first = static_cast<const T*>(m.data) + in_plane +
                   static_cast<std::int64_t>(__float_as_int(z) - kFloorBits) * m.stride_z;
  const T* behind = first + m.stride_z;
  Sampled s = interpolate<T, kGradient>(
      m, {{first, first + m.stride_y, behind, behind + m.stride_y}}, 1, p.x - (x - kFloorMagic),
      p.y - (y - kFloorMagic), p.z - (z - kFloorMagic));
  s.inside = true;
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
         static_cast<const std::uint8_t*>(
             m.data)[m.rows != nullptr ? m.rows[static_cast<std::int64_t>(k) * m.ny + j] + i
                                       : m.index(i, j, k)] != 0;
}

/// What the sampler says of fixed voxel (x, y, z), whose point in the moving volume is p, masks
/// included: `inside` is whether it counts. kPlain: see dispatch_pair().
template <class T, bool kGradient, bool kPlain>
__device__ inline Sampled sample_voxel(const DevicePair& pair, int x, int y, int z,
                                       const math::Float3& p) {
  const DeviceImage& m = pair.moving;
  Sampled s;
  if (!kPlain && m.rows != nullptr)
    s = sample<T, kGradient, true>(m, p);
  else if (m.x.is_free(p.x) && m.y.is_free(p.y) && m.z.is_free(p.z))
    s = sample_within<T, kGradient>(m, p);
  else
    s = sample<T, kGradient>(m, p);
  if constexpr (!kPlain) s.inside = s.inside && masks_allow(pair, x, y, z, p);
  return s;
}

/// Goes along a line of the fixed grid with what the sampler needs at each voxel, loading ahead: F
/// and the word of u. Plain pairs leave F's conversion, which would wait for the load, to fixed().
template <class T, bool kPlain>
class FixedLine {
 public:
  /// From voxel (x, y, z), which is loaded; each next() goes `x_step` voxels along x or, where that
  /// is zero, a plane up. Without `words` u is not touched.
  __device__ FixedLine(const DevicePair& pair, int x, int y, int z, int x_step, bool words = true)
      : words_(words && pair.u.data != nullptr),
        image_step_(x_step != 0 ? x_step : pair.fixed.stride_z),
        word_step_(x_step != 0 ? x_step : pair.u.stride_z),
        at_(pair.fixed.index(x, y, z)) {
    if constexpr (kPlain) image_ = static_cast<const T*>(pair.fixed.data) + at_;
    if (words_) word_at_ = pair.u.at(x, y, z);
    load(pair);
  }
  __device__ std::uint64_t word() const { return word_; }
  __device__ float fixed(const DevicePair& pair) const {
    // Rounded as the CPU does, not fused with what follows: bins have edges.
    if constexpr (kPlain)
      return __fmul_rn(static_cast<float>(fixed_) - pair.fixed.offset, pair.fixed.scale);
    else
      return fixed_;
  }
  /// Loads the next voxel; word() and fixed() are its from here on.
  __device__ void next(const DevicePair& pair) {
    if constexpr (kPlain)
      image_ += image_step_;
    else
      at_ += image_step_;
    if (words_) word_at_ += word_step_;
    load(pair);
  }

 private:
  __device__ void load(const DevicePair& pair) {
    word_ = words_ ? __ldg(word_at_) : math::kPackedZero;
    if constexpr (kPlain)
      fixed_ = __ldg(image_);
    else
      fixed_ = pair.fixed.value(at_);
  }

  bool words_;
  int image_step_, word_step_;
  std::int64_t at_;
  const T* image_ = nullptr;
  const std::uint64_t* word_at_ = nullptr;
  std::uint64_t word_ = math::kPackedZero;
  std::conditional_t<kPlain && std::is_integral_v<T>, int, float> fixed_;
};

/// T_linᵀ g: a gradient along moving axes, not scaled, as a scaled one with respect to the
/// displacement.
__device__ inline math::Float3 along_fixed_axes(const DevicePair& pair, const math::Float3& g) {
  const float(&t)[3][3] = pair.t_scaled;
  return {fmaf(t[0][0], g.x, fmaf(t[1][0], g.y, t[2][0] * g.z)),
          fmaf(t[0][1], g.x, fmaf(t[1][1], g.y, t[2][1] * g.z)),
          fmaf(t[0][2], g.x, fmaf(t[1][2], g.y, t[2][2] * g.z))};
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

/// The usual pairs have no masks and one type of voxel, and M is sampled, not given, and stored
/// whole.
inline bool is_plain(const ops::ImagePair& pair, bool warped_given) {
  return !warped_given && !pair.fixed_mask && !pair.moving_mask && pair.moving.rows == nullptr &&
         pair.fixed.type == pair.moving.type;
}

/// Calls f.template operator()<T, kPlain>(): T is the moving voxels' type. Kernels of plain pairs
/// ask about none of that at every voxel.
template <class F>
void dispatch_pair(const ops::ImagePair& pair, bool warped_given, F&& f) {
  const bool plain = is_plain(pair, warped_given);
  dispatch_type(pair.moving.type, [&]<class T>() {
    if (plain)
      f.template operator()<T, true>();
    else
      f.template operator()<T, false>();
  });
}

}  // namespace gigawarp::cuda

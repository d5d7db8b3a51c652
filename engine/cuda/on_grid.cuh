#pragma once
#include <cstdint>
#include <type_traits>

#include "cuda/quads.cuh"
#include "cuda/rows.cuh"
#include "cuda/sampler.cuh"
#include "gigawarp/error.h"

/// Two volumes of one grid, read voxel by voxel, four of a row at a time: for metrics whose
/// gradient is asked for with respect to intensities (GradientTarget::intensity), where nothing is
/// sampled.
namespace gigawarp::cuda {

struct GridPair {
  DeviceImage fixed, moving, fixed_mask, moving_mask;
  Plane<const float> warped;  ///< in place of the moving volume, NaN where it does not count
  bool wide = false;          ///< rows begin where quads can be loaded at once

  GridPair(const ops::ImagePair& p, const ops::SlabView<float>& values)
      : fixed(p.fixed), moving(p.moving), fixed_mask(p.fixed_mask), moving_mask(p.moving_mask) {
    if (p.moving.rows != nullptr)
      throw Error(ErrorCode::internal, "Only samplers read a volume by the parts of its rows.");
    if (values) warped = Plane<const float>(ops::SlabView<const float>{values.data, values.extent});
    const auto is_wide = [](const DeviceImage& image) {
      return holds_quads(image.data, image.stride_y, image.stride_z, size_of(image.type));
    };
    wide = is_wide(fixed) && is_wide(moving);
  }
};

/// A voxel as a float, whole numbers without a conversion instruction: four times as many additions
/// fit in its time.
template <class T>
__device__ inline float quick_float(T raw) {
  if constexpr (std::is_floating_point_v<T>) {
    return raw;
  } else {
    constexpr int kShift = std::is_signed_v<T> ? 32768 : 0;
    return __uint_as_float(kTwoTo23 + static_cast<unsigned>(raw + kShift)) -
           static_cast<float>(8388608 + kShift);
  }
}

/// F and M of four voxels of a row, both scaled; bits of `counted` say which of them count. Others
/// are zero.
struct GridVoxels {
  float f[4] = {}, m[4] = {};
  unsigned counted = 0;

  __device__ bool counts(int i) const { return (counted >> static_cast<unsigned>(i) & 1U) != 0; }
};

/// Of plain pairs, as they lie in memory.
template <class T>
struct RawVoxels {
  Quad<T> f, m;

  /// From (x, y, z) on, four where the pair is wide, which is for the caller to ask.
  __device__ static RawVoxels load_wide(const GridPair& pair, int x, int y, int z) {
    return {*reinterpret_cast<const Quad<T>*>(static_cast<const T*>(pair.fixed.data) +
                                              pair.fixed.index(x, y, z)),
            *reinterpret_cast<const Quad<T>*>(static_cast<const T*>(pair.moving.data) +
                                              pair.moving.index(x, y, z))};
  }
  /// `count` of them, of which at most four; the others zero.
  __device__ static RawVoxels load(const GridPair& pair, int x, int count, int y, int z) {
    if (pair.wide && count >= 4) return load_wide(pair, x, y, z);
    const T* const f = static_cast<const T*>(pair.fixed.data) + pair.fixed.index(x, y, z);
    const T* const m = static_cast<const T*>(pair.moving.data) + pair.moving.index(x, y, z);
    RawVoxels out{};
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (i < count) {
        out.f.v[i] = f[i];
        out.m.v[i] = m[i];
      }
    return out;
  }
  __device__ GridVoxels scaled(const GridPair& pair, int count) const {
    GridVoxels out;
    out.counted = count >= 4 ? 15U : (1U << static_cast<unsigned>(max(count, 0))) - 1U;
    // Rounded as the CPU does, not fused with what follows: bins have edges.
    const auto scale = [](const DeviceImage& image, T raw) {
      return __fmul_rn(quick_float(raw) - image.offset, image.scale);
    };
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      out.f[i] = scale(pair.fixed, f.v[i]);
      out.m[i] = scale(pair.moving, m.v[i]);
      if constexpr (std::is_floating_point_v<T>)
        if (!(out.f[i] == out.f[i] && out.m[i] == out.m[i])) {
          out.f[i] = out.m[i] = 0;
          out.counted &= ~(1U << static_cast<unsigned>(i));
        }
    }
    return out;
  }
};

/// From (x, y, z) on, `count` of them, of which at most four. kPlain, T: dispatch_grid_pair().
template <class T, bool kPlain>
__device__ inline GridVoxels load_voxels(const GridPair& pair, int x, int count, int y, int z) {
  if constexpr (kPlain) return RawVoxels<T>::load(pair, x, count, y, z).scaled(pair, count);
  GridVoxels out;
  const std::int64_t at = pair.fixed.index(x, y, z), there = pair.moving.index(x, y, z);
  const auto allows = [&](const DeviceImage& mask, int i) {
    return mask.data == nullptr ||
           static_cast<const std::uint8_t*>(mask.data)[mask.index(x + i, y, z)] != 0;
  };
  for (int i = 0; i < 4 && i < count; ++i) {
    const float f = pair.fixed.value(at + i);
    const float m =
        pair.warped.data != nullptr ? *pair.warped.at(x + i, y, z) : pair.moving.value(there + i);
    if (!(f == f && m == m && allows(pair.fixed_mask, i) && allows(pair.moving_mask, i))) continue;
    out.f[i] = f;
    out.m[i] = m;
    out.counted |= 1U << static_cast<unsigned>(i);
  }
  return out;
}

/// body(voxels, x, count, y, z) for the voxels of this warp's rows between the columns `begin` and
/// `end`, four to a lane.
template <class T, bool kPlain, class Rows, class Body>
__device__ inline void for_each_quad(const GridPair& pair, const Rows& plan, int begin, int end,
                                     const Body& body) {
  const int lane = static_cast<int>(threadIdx.x & 31U);
  plan.for_each_row([&](int y, int z) {
    for (int x = begin + 4 * lane; x < end; x += 128)
      body(load_voxels<T, kPlain>(pair, x, end - x, y, z), x, end - x, y, z);
  });
}

/// Where dL/dM goes.
struct GridTarget {
  Plane<float> intensity;
  float weight = 1;
  bool wide = false;

  explicit GridTarget(const ops::GradientTarget& t) : intensity(t.intensity), weight(t.weight) {
    wide = holds_quads(intensity.data, intensity.stride_y, intensity.stride_z, sizeof(float));
  }
  __device__ void store(int x, int count, int y, int z, const float (&dl_dm)[4]) const {
    const float weighted[4] = {weight * dl_dm[0], weight * dl_dm[1], weight * dl_dm[2],
                               weight * dl_dm[3]};
    store_quad(intensity.at(x, y, z), count, wide, weighted);
  }
};

/// Calls f.template operator()<T, kPlain>(): plain pairs are those of dispatch_pair(); of others T
/// means nothing.
template <class F>
void dispatch_grid_pair(const ops::ImagePair& pair, bool warped_given, F&& f) {
  if (!is_plain(pair, warped_given))
    f.template operator()<float, false>();
  else
    dispatch_type(pair.moving.type, [&]<class T>() { f.template operator()<T, true>(); });
}

}  // namespace gigawarp::cuda

#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "cuda/intensity_steps.h"
#include "cuda/march.cuh"
#include "cuda/quads.cuh"
#include "cuda/sampler.cuh"
#include "ops/backend.h"

/// The intensities that LNCC's windows add up: both volumes' in whole numbers, from a ring of
/// planes or from the volumes themselves.
namespace gigawarp::cuda {

inline IntensitySteps intensity_steps(const ops::LnccArgs& args) {
  return lncc_marches(args.window, args.radius) ? IntensitySteps::marching(args.radius)
                                                : IntensitySteps{};
}

/// F and M(T(i+u)) of one voxel in those steps: bits 0–15 and 16–30, signed; bit 31 says that the
/// voxel counts. One that does not is all zeros and adds nothing to any sum.
constexpr std::uint32_t kNotCounted = 0;

__device__ inline std::uint32_t pack_intensities(const IntensitySteps& unit, float f, float m) {
  // Rounded to the low bits of a float, which hold them in two's complement.
  const auto steps = [&](float v) {
    v = fmaf(v, unit.steps, kFloorMagic);
    return __float_as_uint(fminf(fmaxf(v, kFloorMagic - unit.reach), kFloorMagic + unit.reach));
  };
  return __byte_perm(steps(f), steps(m), 0x5410) | 0x80000000U;
}
__device__ inline bool is_counted(std::uint32_t w) { return static_cast<std::int32_t>(w) < 0; }
__device__ inline int fixed_steps(std::uint32_t w) {
  return static_cast<std::int16_t>(w & 0xffffU);
}
__device__ inline int moving_steps(std::uint32_t w) {
  return static_cast<std::int32_t>(w << 1U) >> 17;
}

using IntensityRing = PlaneRing<std::uint32_t>;

/// Where windows and gradient take their words from. The usual way: from the ring.
struct RingWords {
  using Raw = std::uint32_t;  ///< as it is loaded
  IntensityRing ring;         ///< its rows are whole quads

  __device__ int stride_y() const { return ring.stride_y; }
  /// What lies `offset` elements into plane z, by plane(z)(offset).
  __device__ auto plane(int z) const {
    return [at = whole(ring.plane(z))](unsigned offset) { return __ldg(at + offset); };
  }
  __device__ std::uint32_t word(Raw raw) const { return raw; }

  static constexpr bool kAllCount = false;
  static constexpr int kBias = 0;
  struct alignas(16) RawQuad {
    unsigned v[4];
  };
  __device__ RawQuad none() const { return {}; }
  /// Where the four neighbours from (x, y) on lie in a plane, in bytes.
  __device__ unsigned quad_at(int x, int y) const {
    return static_cast<unsigned>(y * stride_y() + x) * 4U;
  }
  /// Four of plane z, by quads(z)(quad_at(x, y)); beyond the end of a row they are zero.
  __device__ auto quads(int z) const {
    return [from = bytes_of(ring.plane(z))](unsigned at) {
      const uint4 v = __ldg(reinterpret_cast<const uint4*>(from + at));
      return RawQuad{v.x, v.y, v.z, v.w};
    };
  }
  /// What biased_steps() and values() want in a register.
  __device__ unsigned held() const { return 0; }
  /// F and M of its voxel i in steps, zeros where it does not count; whether it does.
  __device__ int biased_steps(unsigned, const RawQuad& quad, int i, int& f, int& m) const {
    f = fixed_steps(quad.v[i]);
    m = moving_steps(quad.v[i]);
    return static_cast<int>(quad.v[i] >> 31U);
  }
  /// The same as floats, without any bias.
  __device__ bool values(unsigned, const RawQuad& quad, int i, float& f, float& m) const {
    int f_steps, m_steps;
    const int counts = biased_steps(0, quad, i, f_steps, m_steps);
    f = static_cast<float>(f_steps);
    m = static_cast<float>(m_steps);
    return counts != 0;
  }
};

/// Or made of two volumes on one grid where they are needed (GradientTarget::intensity), which
/// saves the pass that fills the ring: whole numbers without sign, without masks, whose rows
/// and planes lie alike, in whole quads. Zero is the whole number next to the mean, which LNCC
/// cannot see; so what lies outside the volume is that number, and adds nothing to any sum.
template <class Bits>
struct ImageWords {
  struct Raw {
    unsigned f = 0, m = 0;
  };
  /// Deviations to a number, at most, and the part of the reach that is left for the offset's
  /// rounding: half a number.
  static constexpr float kMostScale = 0.25F, kSpare = 1.0F / 64;

  struct Volume {
    const Bits* data = nullptr;  ///< of voxel (0, 0, 0)
    /// Of 2^23 and the number: what makes it a part of the range, from 0 on.
    float scale = 1, offset = 0;
    float low = 0;      ///< what rounds steps from the lowest on
    unsigned none = 0;  ///< the bits of what makes no step, as they lie in memory
  };
  Volume fixed, moving;
  int row = 0, plane_size = 0;
  float range = 1;  ///< in steps, from the lowest to the highest
  unsigned upper = kTwoTo23;

  ImageWords(const ops::ImagePair& pair, const IntensitySteps& unit)
      : row(static_cast<int>(pair.fixed.extent.stride_y)),
        plane_size(static_cast<int>(pair.fixed.extent.stride_z)) {
    range = 2 * unit.reach * (1 - kSpare);
    fixed = volume(pair.fixed, unit);
    moving = volume(pair.moving, unit);
  }
  __device__ int stride_y() const { return row; }
  __device__ auto plane(int z) const {
    const std::int64_t first = static_cast<std::int64_t>(z) * plane_size;
    return [f = whole(fixed.data + first), m = whole(moving.data + first)](unsigned offset) {
      return Raw{__ldg(f + offset), __ldg(m + offset)};
    };
  }
  __device__ std::uint32_t word(const Raw& raw) const {
    return __byte_perm(low_bits(raw.f | kTwoTo23, fixed), low_bits(raw.m | kTwoTo23, moving),
                       0x5410) |
           0x80000000U;
  }

  static constexpr bool kAllCount = true;
  static constexpr int kBias = kFloorBits;
  struct RawQuad {
    unsigned f[sizeof(Bits)], m[sizeof(Bits)];  ///< as they lie in memory, four of each
    /// Of 2^23 (`upper`) and the number.
    __device__ static unsigned mantissa(unsigned upper, const unsigned (&four)[sizeof(Bits)],
                                        int i) {
      if constexpr (sizeof(Bits) == 1) return __byte_perm(four[0], upper, 0x7440U + i);
      return __byte_perm(four[i / 2], upper, i % 2 == 0 ? 0x7410U : 0x7432U);
    }
  };
  __device__ RawQuad none() const {
    RawQuad quad;
#pragma unroll
    for (int k = 0; k < static_cast<int>(sizeof(Bits)); ++k) {
      constexpr unsigned kRepeat = sizeof(Bits) == 1 ? 0x01010101U : 0x00010001U;
      quad.f[k] = fixed.none * kRepeat;
      quad.m[k] = moving.none * kRepeat;
    }
    return quad;
  }
  __device__ unsigned quad_at(int x, int y) const {
    return static_cast<unsigned>(y * row + x) * static_cast<unsigned>(sizeof(Bits));
  }
  __device__ auto quads(int z) const {
    const std::int64_t first = static_cast<std::int64_t>(z) * plane_size;
    return [f_from = bytes_of(fixed.data + first),
            m_from = bytes_of(moving.data + first)](unsigned at) {
      using Four = std::conditional_t<sizeof(Bits) == 1, unsigned, uint2>;
      const Four f = __ldg(reinterpret_cast<const Four*>(f_from + at)),
                 m = __ldg(reinterpret_cast<const Four*>(m_from + at));
      RawQuad quad;
      memcpy(quad.f, &f, sizeof f);
      memcpy(quad.m, &m, sizeof m);
      return quad;
    };
  }
  __device__ unsigned held() const { return upper; }
  /// In steps and kBias more.
  __device__ int biased_steps(unsigned held, const RawQuad& quad, int i, int& f, int& m) const {
    f = static_cast<int>(low_bits(quad.mantissa(held, quad.f, i), fixed));
    m = static_cast<int>(low_bits(quad.mantissa(held, quad.m, i), moving));
    return 1;
  }
  __device__ bool values(unsigned held, const RawQuad& quad, int i, float& f, float& m) const {
    f = __uint_as_float(low_bits(quad.mantissa(held, quad.f, i), fixed)) - kFloorMagic;
    m = __uint_as_float(low_bits(quad.mantissa(held, quad.m, i), moving)) - kFloorMagic;
    return true;
  }

 private:
  /// Steps in the low bits of a float.
  __device__ unsigned low_bits(unsigned mantissa, const Volume& v) const {
    return __float_as_uint(
        fmaf(__saturatef(fmaf(__uint_as_float(mantissa), v.scale, v.offset)), range, v.low));
  }
  Volume volume(const ops::ImageView& view, const IntensitySteps& unit) const {
    const DeviceImage image(view);
    constexpr float kHighest = (1U << (8 * sizeof(Bits))) - 1U;
    const float none = 8388608.0F + std::round(std::clamp(image.offset, 0.0F, kHighest));
    // The offset is rounded: all voxels are up to half a number off, and alike, which is no
    // difference to LNCC as long as the zero moves along.
    const float scale = image.scale * unit.steps / range,
                offset = static_cast<float>(0.5 - double{scale} * double{none}),
                middle = std::clamp(std::fma(none, scale, offset), 0.0F, 1.0F);
    return {static_cast<const Bits*>(image.data), scale, offset,
            kFloorMagic - std::rint(middle * range), static_cast<unsigned>(none - 8388608.0F)};
  }
};
/// The size of the numbers, 1 or 2 bytes, of volumes that ImageWords can read; 0 otherwise.
int image_words(const ops::LnccArgs& args);

}  // namespace gigawarp::cuda

#pragma once
#include <algorithm>

#include "cuda/cuda_ops.h"
#include "cuda/march.cuh"
#include "cuda/queued.h"
#include "cuda/target.cuh"

/// What the passes of LNCC hand to one another. The intermediates live in rings of planes, so that
/// their memory does not grow with the volume.
namespace gigawarp::cuda {

/// How intensities are kept: integers in `steps` per deviation, cut at ±16 deviations. Sums over a
/// window are then exact, whatever their order: over its columns in 32 bits for the windows that
/// march, so that those may run along z without drifting; wide ones (radius above 2) leave the
/// integers one bit less. The rounding has a variance of 3e-7 (1.3e-6), below that of any volume's
/// noise.
struct IntensitySteps {
  float steps = 512.0F, reach = 8191.0F;  ///< (2·2 + 1)² · reach² < 2^31
};
inline IntensitySteps intensity_steps(const ops::LnccArgs& args) {
  if (!lncc_marches(args.window, args.radius) || args.radius <= 2) return {};
  return {256.0F, 4095.0F};  // (2·5 + 1)² · 4095² < 2^31
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
  IntensityRing ring;

  __device__ int stride_y() const { return ring.stride_y; }
  /// What lies `offset` elements into plane z, by plane(z)(offset).
  __device__ auto plane(int z) const {
    return [at = whole(ring.plane(z))](unsigned offset) { return __ldg(at + offset); };
  }
  __device__ std::uint32_t word(Raw raw) const { return raw; }
};

/// Or made of two volumes on one grid where they are needed (GradientTarget::intensity), which
/// saves the pass that fills the ring: whole numbers of the size of Bits, without masks, whose rows
/// and planes lie alike. Intensities are then shifted by up to half a step, which LNCC cannot see.
template <class Bits>
struct ImageWords {
  struct Raw {
    unsigned f = 0, m = 0;
  };
  struct Volume {
    const Bits* data = nullptr;  ///< of voxel (0, 0, 0)
    float scale = 1, shift = 0;  ///< steps from the number, and what rounds them to the low bits
  };
  Volume fixed, moving;
  int row = 0, plane_size = 0;
  unsigned sign = 0;  ///< signed numbers count from below once this bit is turned over
  float zero = 0;     ///< 2^23, and of signed numbers what they are shifted by
  float low = 0, high = 0;

  ImageWords(const ops::ImagePair& pair, const IntensitySteps& unit)
      : fixed(volume(pair.fixed, unit)),
        moving(volume(pair.moving, unit)),
        row(static_cast<int>(pair.fixed.extent.stride_y)),
        plane_size(static_cast<int>(pair.fixed.extent.stride_z)) {
    const bool is_signed = pair.fixed.type == ScalarType::i8 || pair.fixed.type == ScalarType::i16;
    sign = is_signed ? 1U << (8 * sizeof(Bits) - 1) : 0U;
    zero = 8388608.0F + static_cast<float>(sign);
    low = kFloorMagic - unit.reach;
    high = kFloorMagic + unit.reach;
  }
  __device__ int stride_y() const { return row; }
  __device__ auto plane(int z) const {
    const std::int64_t first = static_cast<std::int64_t>(z) * plane_size;
    return [f = whole(fixed.data + first), m = whole(moving.data + first)](unsigned offset) {
      return Raw{__ldg(f + offset), __ldg(m + offset)};
    };
  }
  __device__ std::uint32_t word(const Raw& raw) const {
    const auto steps = [&](unsigned bits, const Volume& v) {
      const float number = __uint_as_float((bits ^ sign) | kTwoTo23) - zero;
      return __float_as_uint(fminf(fmaxf(fmaf(number, v.scale, v.shift), low), high));
    };
    return __byte_perm(steps(raw.f, fixed), steps(raw.m, moving), 0x5410) | 0x80000000U;
  }

 private:
  static Volume volume(const ops::ImageView& view, const IntensitySteps& unit) {
    const DeviceImage image(view);
    const float scale = image.scale * unit.steps;
    return {static_cast<const Bits*>(image.data), scale, kFloorMagic - image.offset * scale};
  }
};
/// The size of the numbers, 1 or 2 bytes, of volumes that ImageWords can read; 0 otherwise.
int image_words(const ops::LnccArgs& args);

/// p/n, q/n, r/n of math::lncc_coefficients in steps, as math::PackedFloats.
using CoefficientRing = PlaneRing<std::uint64_t>;
/// target_gradient() of each voxel as math::PackedFloats: in the target's own field where nothing
/// is kept there yet, since each voxel reads its word just before it writes the product. (Half the
/// bits, three mantissas and one exponent, saved 8 of 52 bytes and cost more in packing them.)
using GradientRing = PlaneRing<std::uint64_t>;

/// First pass over planes [begin, end): samples into `intensities` and, for voxels of the range and
/// where a gradient is wanted, `gradients`. Reads u 8, M 2, F 2; writes 4 and 8.
void lncc_sample(Device& device, const ops::LnccArgs& args, const IntensityRing& intensities,
                 const GradientRing& gradients, ops::ZRange planes, LnccTotals* totals);
/// The same of two volumes on one grid (GradientTarget::intensity). Reads M 2, F 2; writes 4.
void lncc_pack(Device& device, const ops::LnccArgs& args, const IntensityRing& intensities,
               ops::ZRange planes, LnccTotals* totals);
/// Second pass: window sums and coefficients of some planes, which may lie outside the range; only
/// voxels of the range add to the value. Reads 4; writes 8. With ImageWords it counts voxels too.
/// Where windows_deliver(): it is the last, over planes of the range; reads 4 and 8 and writes 8,
/// dL/dM itself: reads 4, writes 4.
template <class Words>
void lncc_windows(Device& device, const ops::LnccArgs& args, const ops::Taps& taps,
                  const Words& words, const CoefficientRing& coefficients,
                  const GradientRing& gradients, ops::ZRange planes, LnccTotals* totals);
/// The approximate gradient of a field or of intensities needs no coefficients but a voxel's own.
bool windows_deliver(const ops::LnccArgs& args);
/// What sums of coefficients are multiplied with for dL/dM of the mean over the voxels that count.
inline float gradient_scale(const ops::LnccArgs& args) {
  return static_cast<float>(-1.0 / std::max(1.0, args.count));
}
/// Third pass over planes of the range: window sums of the coefficients, dL/dM, and the product
/// with the gradient. Reads 8, 4 and 8; writes 8; dL/dM itself: reads 8 and 4, writes 4. `slots`
/// for linear targets.
template <class Words>
void lncc_gradient(Device& device, const ops::LnccArgs& args, const ops::Taps& taps,
                   const Words& words, const CoefficientRing& coefficients,
                   const GradientRing& gradients, ops::ZRange planes, double* slots);
/// The march of lncc_gradient(): blocks per segment and planes per segment.
int lncc_tiles(const ops::LnccArgs& args);
int lncc_segment(const ops::LnccArgs& args);

inline bool lncc_marches(const ops::LnccArgs& args) {
  return lncc_marches(args.window, args.radius);
}

}  // namespace gigawarp::cuda

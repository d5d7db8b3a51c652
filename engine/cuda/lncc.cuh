#pragma once
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
    constexpr float kMagic = 12582912.0F;  // 1.5 · 2^23
    v = fmaf(v, unit.steps, kMagic);
    return __float_as_uint(fminf(fmaxf(v, kMagic - unit.reach), kMagic + unit.reach));
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
/// voxels of the range add to the value. Reads 4; writes 8.
void lncc_windows(Device& device, const ops::LnccArgs& args, const ops::Taps& taps,
                  const IntensityRing& intensities, const CoefficientRing& coefficients,
                  ops::ZRange planes, LnccTotals* totals);
/// Third pass over planes of the range: window sums of the coefficients, dL/dM, and the product
/// with the gradient. Reads 8, 4 and 8; writes 8; dL/dM itself: reads 8 and 4, writes 4. `slots`
/// for linear targets.
void lncc_gradient(Device& device, const ops::LnccArgs& args, const ops::Taps& taps,
                   const IntensityRing& intensities, const CoefficientRing& coefficients,
                   const GradientRing& gradients, ops::ZRange planes, double* slots);
/// The march of lncc_gradient(): blocks per segment and planes per segment.
int lncc_tiles(const ops::LnccArgs& args);
int lncc_segment(const ops::LnccArgs& args);

inline bool lncc_marches(const ops::LnccArgs& args) {
  return lncc_marches(args.window, args.radius);
}

}  // namespace gigawarp::cuda

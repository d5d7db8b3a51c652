#pragma once
#include "cuda/cuda_ops.h"
#include "cuda/march.cuh"
#include "cuda/target.cuh"

/// What the passes of LNCC hand to one another. The intermediates live in rings of planes, so that
/// their memory does not grow with the volume.
namespace gigawarp::cuda {

/// F and M(T(i+u)) of one voxel, scaled, each a 16-bit integer in steps of 1/512 deviation, cut at
/// ±16 deviations: the rounding has a variance of 3e-7, below that of any volume's noise, and sums
/// over a window are exact in 32 bits, so that they may run along z without drifting.
constexpr float kIntensitySteps = 512.0F, kIntensityReach = 8191.0F;
constexpr std::uint32_t kNotCounted = 0x80000000U;

__device__ inline std::uint32_t pack_intensities(float f, float m) {
  const auto steps = [](float v) {
    return __float2int_rn(fminf(fmaxf(v * kIntensitySteps, -kIntensityReach), kIntensityReach));
  };
  return (static_cast<std::uint32_t>(steps(f)) & 0xffffU) | static_cast<std::uint32_t>(steps(m))
                                                                << 16U;
}
__device__ inline int fixed_steps(std::uint32_t w) {
  return static_cast<std::int16_t>(w & 0xffffU);
}
__device__ inline int moving_steps(std::uint32_t w) { return static_cast<std::int32_t>(w) >> 16; }

using IntensityRing = PlaneRing<std::uint32_t>;
/// p/n, q/n, r/n of math::lncc_coefficients in steps, as math::PackedFloats.
using CoefficientRing = PlaneRing<std::uint64_t>;
/// target_gradient() of each voxel as math::PackedFloats: in the target's own field where nothing
/// is kept there yet, since each voxel reads its word just before it writes the product.
using GradientRing = PlaneRing<std::uint64_t>;

/// Exact whatever the order: fixed point in steps of 2^-22.
struct LnccTotals {
  unsigned long long value = 0, count = 0;
};
constexpr float kLnccSteps = 4194304.0F;

/// First pass over planes [begin, end): samples into `intensities` and, for voxels of the range and
/// where a gradient is wanted, `gradients`. Reads u 8, M 2, F 2; writes 4 and 8.
void lncc_sample(Device& device, const ops::LnccArgs& args, const IntensityRing& intensities,
                 const GradientRing& gradients, ops::ZRange planes, LnccTotals* totals);
/// Second pass: window sums and coefficients of some planes, which may lie outside the range; only
/// voxels of the range add to the value. Reads 4; writes 8.
void lncc_windows(Device& device, const ops::LnccArgs& args, const ops::Taps& taps,
                  const IntensityRing& intensities, const CoefficientRing& coefficients,
                  ops::ZRange planes, LnccTotals* totals);
/// Third pass over planes of the range: window sums of the coefficients, dL/dM, and the product
/// with the gradient. Reads 8, 4 and 8; writes 8. `slots` for linear targets.
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

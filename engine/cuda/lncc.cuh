#pragma once
#include <algorithm>

#include "cuda/cuda_ops.h"
#include "cuda/lncc_words.cuh"
#include "cuda/queued.h"
#include "cuda/target.cuh"

/// What the passes of LNCC hand to one another. The intermediates live in rings of planes, so that
/// their memory does not grow with the volume.
namespace gigawarp::cuda {

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
/// Box windows of radius 3 and more, with sums along z in a pass of their own, which leaves them in
/// `coefficients`: reads 8 more and writes 8.
inline bool lncc_is_wide(const ops::LnccArgs& args) {
  return lncc_marches(args.window, args.radius) && args.radius >= 3 && !args.approximate_gradient;
}
template <class Words>
void lncc_gradient_wide(Device& device, const ops::LnccArgs& args, const Words& words,
                        const CoefficientRing& coefficients, const GradientRing& gradients,
                        ops::ZRange planes, double* slots);
/// Its blocks per plane.
int lncc_strips(const ops::LnccArgs& args);
/// How lncc_gradient() sums up for linear targets: blocks per segment and planes per segment.
int lncc_tiles(const ops::LnccArgs& args);
int lncc_segment(const ops::LnccArgs& args);

inline bool lncc_marches(const ops::LnccArgs& args) {
  return lncc_marches(args.window, args.radius);
}

}  // namespace gigawarp::cuda

#pragma once
#include <cstdint>

#include "cuda/lncc.cuh"
#include "math/metric.h"

/// LNCC, second pass: what is made of the sums over a window.
namespace gigawarp::cuda {

/// Words: RingWords or ImageWords.
template <class Words>
struct WindowArgs {
  Words words;
  CoefficientRing coefficients;
  int range_begin, range_end;
  float epsilon;
  float steps;  ///< IntensitySteps::steps
  float
      undivided;  ///< 1: coefficients not divided by the window's weight (approximate gradient); 0
  LnccTotals* totals;
  // Of the approximate gradient.
  DeviceTarget target;
  GradientRing gradients;
  float scale;
};

/// What is made of a window beside its part of the value: nothing, coefficients for the third pass,
/// or the approximate gradient.
enum class Outcome { value, coefficients, field, intensity };

/// math::lncc_coefficients() of sums in steps over `n` voxels, without dividing them first: c, a
/// and b are (n·steps)² larger, ε (n·steps)⁴.
struct WindowNumbers {
  float c, a, b, e, d, weight;

  template <class Words>
  __device__ WindowNumbers(const WindowArgs<Words>& args, float n, const float (&sum)[5]) {
    weight = n * args.steps;
    const float square = weight * weight;
    e = args.epsilon * square * square;
    c = fmaf(n, sum[4], -sum[0] * sum[1]);
    a = fmaxf(fmaf(n, sum[2], -sum[0] * sum[0]), 0.0F);
    b = fmaxf(fmaf(n, sum[3], -sum[1] * sum[1]), 0.0F);
    d = math::quick_quotient(1.0F, fmaf(a, b, e));
  }
  __device__ float matched() const { return fmaf(c, c, e) * d; }
  /// p/n, q/n, r/n in steps; of the approximate gradient p, q, r.
  __device__ math::Float3 coefficients(float undivided, float n, const float (&sum)[5]) const {
    const float k = 2.0F * weight * d * fmaf(undivided, n - 1.0F, 1.0F);
    const float p = c * k, q = matched() * a * k;
    return {p, q, (q * sum[1] - p * sum[0]) * math::quick_quotient(1.0F, n)};
  }
  /// The voxel's cc in steps of 2^-22, rounded by adding it to a large number, which leaves it in
  /// the low bits.
  __device__ int value() const {
    // Fused as written, whatever else is made of the window: the value has the same bits.
    const float cc = fmaf(-e, math::quick_quotient(1.0F, fmaf(a, a, e)), matched());
    return __float_as_int(fmaf(cc, kLnccSteps, kFloorMagic)) - kFloorBits;
  }
};

/// What becomes of the window of one voxel, whose word is `own`: nothing where it does not count.
/// Returns its part of the value.
/// `coefficients`: where they go; `gradient`: of M, what dL/dM is multiplied with.
template <Outcome kOutcome, class Words>
__device__ inline int finish_window(const WindowArgs<Words>& args, std::uint64_t* coefficients,
                                    std::uint64_t gradient, std::uint32_t own, int x, int y, int z,
                                    float n, const float (&sum)[5]) {
  const int mask = static_cast<std::int32_t>(own) >> 31;  // is_counted(), in every bit
  const WindowNumbers w(args, n, sum);
  if constexpr (kOutcome == Outcome::coefficients) {
    const math::Float3 v = w.coefficients(args.undivided, n, sum);
    *coefficients =
        math::pack_floats(v.x, v.y, v.z) & static_cast<std::uint64_t>(std::int64_t{mask});
  } else if constexpr (kOutcome != Outcome::value) {
    const math::Float3 v = w.coefficients(1.0F, n, sum);
    const float f = static_cast<float>(fixed_steps(own)), m = static_cast<float>(moving_steps(own));
    const float dl_dm = is_counted(own) ? args.scale * (f * v.x - m * v.y + v.z) : 0.0F;
    if constexpr (kOutcome == Outcome::intensity) {
      *args.target.intensity.at(x, y, z) = args.target.weight * dl_dm;
    } else {
      ThreadSums none;
      deliver_product<TargetKind::field>(args.target, x, y, z, math::unpack_floats(gradient), dl_dm,
                                         none);
    }
  }
  return w.value() & mask;
}

__device__ inline void add_value(LnccTotals* totals, long long steps) {
#pragma unroll
  for (int s = 16; s > 0; s >>= 1) steps += __shfl_down_sync(0xffffffffU, steps, s);
  if (((threadIdx.y * blockDim.x + threadIdx.x) & 31U) == 0 && steps != 0)
    atomicAdd(&totals->value, static_cast<unsigned long long>(steps));
}

}  // namespace gigawarp::cuda

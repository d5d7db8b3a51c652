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
  float epsilon;    ///< of intensities in steps: ε·steps⁴
  float twice;      ///< two deviations in steps
  float undivided;  ///< 1: coefficients not divided by a window's voxels (approximate gradient); 0
  LnccTotals* totals;
  // Of the approximate gradient.
  DeviceTarget target;
  GradientRing gradients;
  float scale;
};

/// What is made of a window beside its part of the value: nothing, coefficients for the third pass,
/// or the approximate gradient.
enum class Outcome { value, coefficients, field, intensity };

/// A window's number of voxels, or a factor of it along an axis where every voxel counts: 1/n, n²
/// and, where coefficients are not divided by n, n; 1 where they are.
struct SizeFactor {
  float inverse, square, factor;

  __device__ SizeFactor(float inverse_of, float square_of, float factor_of)
      : inverse(inverse_of), square(square_of), factor(factor_of) {}
  template <class Words>
  __device__ SizeFactor(const WindowArgs<Words>& args, float n)
      : SizeFactor(math::quick_quotient(1.0F, n), n * n, fmaf(args.undivided, n - 1.0F, 1.0F)) {}
  __device__ explicit SizeFactor(const float4& v) : SizeFactor(v.x, v.y, v.z) {}
  __device__ float4 kept() const { return {inverse, square, factor, 0}; }
  __device__ SizeFactor operator*(const SizeFactor& other) const {
    return {inverse * other.inverse, square * other.square, factor * other.factor};
  }
};

/// What the number of voxels of a window is needed for.
struct WindowSize {
  float inverse, epsilon, scale;  ///< 1/n, ε·n², and what p, q and r are multiplied with

  template <class Words>
  __device__ WindowSize(const WindowArgs<Words>& args, const SizeFactor& n)
      : inverse(n.inverse), epsilon(args.epsilon * n.square), scale(args.twice * n.factor) {}
};

/// math::lncc_coefficients() of sums in steps over n voxels, divided by n once and not twice: c, a
/// and b are n·steps² larger, ε (n·steps²)².
struct WindowNumbers {
  float f, m, c, a, b, e, d;  ///< f, m: means

  __device__ WindowNumbers(const WindowSize& size, const float (&sum)[5]) {
    f = sum[0] * size.inverse;
    m = sum[1] * size.inverse;
    e = size.epsilon;
    c = fmaf(-f, sum[1], sum[4]);
    a = fmaxf(fmaf(-f, sum[0], sum[2]), 0.0F);
    b = fmaxf(fmaf(-m, sum[1], sum[3]), 0.0F);
    d = math::quick_quotient(1.0F, fmaf(a, b, e));
  }
  __device__ float matched() const { return fmaf(c, c, e) * d; }
  /// p/n, q/n, r/n in steps; of the approximate gradient p, q, r.
  __device__ math::Float3 coefficients(float scale) const {
    const float k = scale * d, p = c * k, q = matched() * (a * k);
    return {p, q, fmaf(q, m, -(p * f))};
  }
  /// The voxel's cc in steps of 2^-22, rounded by adding it to a large number, which leaves it in
  /// the low bits.
  __device__ int value() const {
    // Fused as written, whatever else is made of the window: the value has the same bits.
    const float cc = fmaf(-e, math::quick_quotient(1.0F, fmaf(a, a, e)), matched());
    return __float_as_int(fmaf(cc, kLnccSteps, kFloorMagic)) - kFloorBits;
  }
};

/// What becomes of the window of one voxel, whose word is `own`: nothing where it does not count,
/// or is none of the volume's (`is_voxel`).
/// Returns its part of the value.
/// `coefficients`: where they go; `gradient`: of M, what dL/dM is multiplied with.
template <Outcome kOutcome, class Words>
__device__ inline int finish_window(const WindowArgs<Words>& args, bool is_voxel,
                                    std::uint64_t* coefficients, std::uint64_t gradient,
                                    std::uint32_t own, int x, int y, int z, const WindowSize& size,
                                    const float (&sum)[5]) {
  const int mask = static_cast<std::int32_t>(own) >> 31;  // is_counted(), in every bit
  const WindowNumbers w(size, sum);
  if constexpr (kOutcome == Outcome::coefficients) {
    const math::Float3 v = w.coefficients(size.scale);
    const std::uint64_t packed =
        math::pack_floats(v.x, v.y, v.z) & static_cast<std::uint64_t>(std::int64_t{mask});
    if (is_voxel) *coefficients = packed;
  } else if constexpr (kOutcome != Outcome::value) {
    const math::Float3 v = w.coefficients(size.scale);
    const float f = static_cast<float>(fixed_steps(own)), m = static_cast<float>(moving_steps(own));
    const float dl_dm = is_counted(own) ? args.scale * (f * v.x - m * v.y + v.z) : 0.0F;
    if constexpr (kOutcome == Outcome::intensity) {
      if (is_voxel) *args.target.intensity.at(x, y, z) = args.target.weight * dl_dm;
    } else if (is_voxel) {
      ThreadSums none;
      deliver_product<TargetKind::field>(args.target, x, y, z, math::unpack_floats(gradient), dl_dm,
                                         none);
    }
  }
  return is_voxel ? w.value() & mask : 0;
}

__device__ inline void add_value(LnccTotals* totals, long long steps) {
#pragma unroll
  for (int s = 16; s > 0; s >>= 1) steps += __shfl_down_sync(0xffffffffU, steps, s);
  if (((threadIdx.y * blockDim.x + threadIdx.x) & 31U) == 0 && steps != 0)
    atomicAdd(&totals->value, static_cast<unsigned long long>(steps));
}

}  // namespace gigawarp::cuda

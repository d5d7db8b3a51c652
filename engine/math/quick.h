#pragma once
#include <cmath>

#include "math/host_device.h"

/// Quotient and root as a GPU's own units give them (2 ulp), for numbers that are no better: sums
/// of windows, moments of 8 and 9 bits. Subnormal numbers count as zero there. On the CPU, and of
/// doubles, they are the exact ones.
namespace gigawarp::math {

template <class Real>
GIGAWARP_HD Real quick_quotient(Real a, Real b) {
  return a / b;
}
#if defined(__CUDA_ARCH__)
template <>
__device__ inline float quick_quotient<float>(float a, float b) {
  float inverse;  // __fdividef() would spend four more instructions on subnormal b
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(b));
  return a * inverse;
}
#endif

GIGAWARP_HD float quick_root(float v) {
#if defined(__CUDA_ARCH__)
  float out;
  asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(v));
  return out;
#else
  return std::sqrt(v);
#endif
}

}  // namespace gigawarp::math

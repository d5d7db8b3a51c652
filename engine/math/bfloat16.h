#pragma once
#include <cstdint>
#include <cstring>

#include "math/host_device.h"

namespace gigawarp::math {

/// The upper half of an IEEE float: fp32 range, 8 significant bits. Storage only.
using Bfloat16 = std::uint16_t;

GIGAWARP_HD float from_bfloat16(Bfloat16 v) {
  const std::uint32_t bits = static_cast<std::uint32_t>(v) << 16;
  float out;
  memcpy(&out, &bits, sizeof out);
  return out;
}

/// Round to nearest, ties to even. Finite input only.
GIGAWARP_HD Bfloat16 to_bfloat16(float v) {
  std::uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return static_cast<Bfloat16>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/// Two of them in one word, `low` in its lower half.
GIGAWARP_HD std::uint32_t to_bfloat16_pair(float low, float high) {
#if defined(__CUDA_ARCH__)
  std::uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return static_cast<std::uint32_t>(to_bfloat16(low)) |
         static_cast<std::uint32_t>(to_bfloat16(high)) << 16U;
#endif
}

}  // namespace gigawarp::math

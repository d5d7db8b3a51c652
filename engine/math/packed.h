#pragma once
#include <cstdint>
#include <cstring>

#include "math/bfloat16.h"
#include "math/host_device.h"

/// Three numbers per voxel in one 64-bit word: one load or store where planar floats need three.
/// The compact form in which back ends with scarce memory keep fields (engine.md §4). Storage only:
/// arithmetic is fp32.
namespace gigawarp::math {

struct Float3 {
  float x = 0, y = 0, z = 0;
};

constexpr std::uint32_t kPackedMask = 0x1fffffU;  ///< 21 bits

/// Displacements: 21-bit fixed point in steps of 1/2048 voxel, ±511.99 voxels; beyond, clamped.
using PackedVector = std::uint64_t;
constexpr float kPackedSteps = 2048.0F;
constexpr float kPackedReach = 511.99F;
/// The word of the zero vector is not zero.
constexpr PackedVector kPackedZero =
    (PackedVector{1} << 20U) | (PackedVector{1} << 41U) | (PackedVector{1} << 62U);

GIGAWARP_HD std::uint32_t to_packed_steps(float v) {
  v = v < kPackedReach ? v : kPackedReach;
  v = v > -kPackedReach ? v : -kPackedReach;
  // Adding 1.5·2^23 rounds to the nearest integer, ties to even, in the low bits of the mantissa.
  const float magic = v * kPackedSteps + 12582912.0F;
  std::uint32_t bits;
  memcpy(&bits, &magic, sizeof bits);
  return (bits + (1U << 20U)) & kPackedMask;
}

GIGAWARP_HD PackedVector pack_vector(const Float3& v) {
  return static_cast<PackedVector>(to_packed_steps(v.x)) |
         static_cast<PackedVector>(to_packed_steps(v.y)) << 21U |
         static_cast<PackedVector>(to_packed_steps(v.z)) << 42U;
}

/// 2^23 + 2^20 + steps from 21 bits, without a conversion instruction: they become a mantissa.
GIGAWARP_HD float biased_steps(std::uint32_t bits) {
  const std::uint32_t word = bits | 0x4b000000U;
  float v;
  memcpy(&v, &word, sizeof v);
  return v;
}
GIGAWARP_HD float from_packed_steps(std::uint32_t bits) { return biased_steps(bits) - 9437184.0F; }

/// In steps, not voxels: interpolate first, scale by 1 / kPackedSteps once.
GIGAWARP_HD Float3 unpack_vector_steps(PackedVector w) {
  return {from_packed_steps(static_cast<std::uint32_t>(w) & kPackedMask),
          from_packed_steps(static_cast<std::uint32_t>(w >> 21U) & kPackedMask),
          from_packed_steps(static_cast<std::uint32_t>(w >> 42U))};
}

/// b - a in steps: the offsets of the fixed point cancel.
GIGAWARP_HD Float3 difference_steps(PackedVector a, PackedVector b) {
  return {biased_steps(static_cast<std::uint32_t>(b) & kPackedMask) -
              biased_steps(static_cast<std::uint32_t>(a) & kPackedMask),
          biased_steps(static_cast<std::uint32_t>(b >> 21U) & kPackedMask) -
              biased_steps(static_cast<std::uint32_t>(a >> 21U) & kPackedMask),
          biased_steps(static_cast<std::uint32_t>(b >> 42U)) -
              biased_steps(static_cast<std::uint32_t>(a >> 42U))};
}

GIGAWARP_HD Float3 unpack_vector(PackedVector w) {
  const Float3 v = unpack_vector_steps(w);
  constexpr float kStep = 1.0F / kPackedSteps;
  return {v.x * kStep, v.y * kStep, v.z * kStep};
}

/// Gradients and LNCC coefficients: the upper 21 bits of each float (fp32 range, 13 significant
/// bits). Finite input only; the zero word is zero.
using PackedFloats = std::uint64_t;

/// Round to nearest, ties away from zero.
GIGAWARP_HD std::uint32_t upper21(float v) {
  std::uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return (bits + 0x400U) >> 11U;
}

GIGAWARP_HD float from_upper21(std::uint32_t bits) {
  const std::uint32_t word = bits << 11U;
  float v;
  memcpy(&v, &word, sizeof v);
  return v;
}

GIGAWARP_HD PackedFloats pack_floats(float x, float y, float z) {
  return static_cast<PackedFloats>(upper21(x)) | static_cast<PackedFloats>(upper21(y)) << 21U |
         static_cast<PackedFloats>(upper21(z)) << 42U;
}

GIGAWARP_HD Float3 unpack_floats(PackedFloats w) {
  return {from_upper21(static_cast<std::uint32_t>(w) & kPackedMask),
          from_upper21(static_cast<std::uint32_t>(w >> 21U) & kPackedMask),
          from_upper21(static_cast<std::uint32_t>(w >> 42U) & kPackedMask)};
}

/// Adam's state of one voxel: the first moment in bfloat16 and the root of the second in sixteen
/// bits without a sign (8 of exponent, 8 of mantissa). The root, because it has half the relative
/// range: v itself loses most of its 1 % steps to rounding.
using PackedMoments = std::uint64_t;

/// v >= 0: sign dropped, 9 significant bits, round to nearest.
GIGAWARP_HD std::uint32_t to_unsigned16(float v) {
  std::uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return (bits + 0x4000U) >> 15U & 0xffffU;
}

GIGAWARP_HD float from_unsigned16(std::uint32_t bits) {
  const std::uint32_t word = bits << 15U;
  float v;
  memcpy(&v, &word, sizeof v);
  return v;
}

GIGAWARP_HD PackedMoments pack_moments(const Float3& m, float root) {
  return static_cast<PackedMoments>(to_bfloat16(m.x)) |
         static_cast<PackedMoments>(to_bfloat16(m.y)) << 16U |
         static_cast<PackedMoments>(to_bfloat16(m.z)) << 32U |
         static_cast<PackedMoments>(to_unsigned16(root)) << 48U;
}

GIGAWARP_HD Float3 unpack_first_moment(PackedMoments w) {
  return {from_bfloat16(static_cast<Bfloat16>(w)), from_bfloat16(static_cast<Bfloat16>(w >> 16U)),
          from_bfloat16(static_cast<Bfloat16>(w >> 32U))};
}

GIGAWARP_HD float unpack_second_root(PackedMoments w) {
  return from_unsigned16(static_cast<std::uint32_t>(w >> 48U));
}

}  // namespace gigawarp::math

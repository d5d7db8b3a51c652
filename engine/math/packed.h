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

GIGAWARP_HD float float_of_bits(std::uint32_t bits) {
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

GIGAWARP_HD std::uint32_t bits_of_float(float v) {
  std::uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}

/// Displacements: 21-bit fixed point in steps of 1/2048 voxel, ±511.99 voxels; beyond, clamped.
using PackedVector = std::uint64_t;
constexpr float kPackedSteps = 2048.0F;
constexpr float kPackedReach = 511.99F;
/// The word of the zero vector is not zero.
constexpr PackedVector kPackedZero =
    (PackedVector{1} << 20U) | (PackedVector{1} << 41U) | (PackedVector{1} << 62U);

/// The bits of 2^23 + 2^20 + steps, rounded to the nearest, ties to even: the low 21 are the field,
/// and what stands above them leaves a 32-bit word when it is shifted left by ten or more.
GIGAWARP_HD std::uint32_t to_biased_steps(float v) {
  v = v < kPackedReach ? v : kPackedReach;
  v = v > -kPackedReach ? v : -kPackedReach;
  return bits_of_float(v * kPackedSteps + 9437184.0F);
}

/// Two halves of a word.
GIGAWARP_HD std::uint64_t join_halves(std::uint32_t low, std::uint32_t high) {
  return static_cast<std::uint64_t>(high) << 32U | low;
}

GIGAWARP_HD PackedVector pack_vector(const Float3& v) {
  const std::uint32_t x = to_biased_steps(v.x), y = to_biased_steps(v.y), z = to_biased_steps(v.z);
  return join_halves((x & kPackedMask) | y << 21U, (y >> 11U & 0x3ffU) | z << 10U);
}

/// 2^23 + 2^20 + steps from 21 bits, without a conversion instruction: they become a mantissa.
GIGAWARP_HD float from_packed_steps(std::uint32_t bits) {
  return float_of_bits(bits | 0x4b000000U) - 9437184.0F;
}

/// In steps, not voxels: interpolate first, scale by 1 / kPackedSteps once.
GIGAWARP_HD Float3 unpack_vector_steps(PackedVector w) {
  return {from_packed_steps(static_cast<std::uint32_t>(w) & kPackedMask),
          from_packed_steps(static_cast<std::uint32_t>(w >> 21U) & kPackedMask),
          from_packed_steps(static_cast<std::uint32_t>(w >> 42U))};
}

GIGAWARP_HD Float3 unpack_vector(PackedVector w) {
  const Float3 v = unpack_vector_steps(w);
  constexpr float kStep = 1.0F / kPackedSteps;
  return {v.x * kStep, v.y * kStep, v.z * kStep};
}

/// Gradients and LNCC coefficients: the upper 21 bits of each float (fp32 range, 13 significant
/// bits). Finite input only; the zero word is zero.
using PackedFloats = std::uint64_t;

/// The upper 21 bits count, rounded to the nearest, ties away from zero.
GIGAWARP_HD std::uint32_t rounded_to_upper21(float v) { return bits_of_float(v) + 0x400U; }

GIGAWARP_HD PackedFloats pack_floats(float x, float y, float z) {
  const std::uint32_t a = rounded_to_upper21(x), b = rounded_to_upper21(y),
                      c = rounded_to_upper21(z);
  return join_halves(a >> 11U | (b << 10U & 0xffe00000U), b >> 22U | (c >> 1U & 0x7ffffc00U));
}

GIGAWARP_HD Float3 unpack_floats(PackedFloats w) {
  constexpr std::uint32_t kUpper = 0xfffff800U;
  return {float_of_bits(static_cast<std::uint32_t>(w) << 11U),
          float_of_bits(static_cast<std::uint32_t>(w >> 10U) & kUpper),
          float_of_bits(static_cast<std::uint32_t>(w >> 31U) & kUpper)};
}

/// Adam's state of one voxel: the first moment in bfloat16 and the root of the second in sixteen
/// bits without a sign (8 of exponent, 8 of mantissa). The root, because it has half the relative
/// range: v itself loses most of its 1 % steps to rounding.
using PackedMoments = std::uint64_t;

/// v >= 0: sign dropped, 9 significant bits, round to nearest.
GIGAWARP_HD std::uint32_t to_unsigned16(float v) {
  return (bits_of_float(v) + 0x4000U) >> 15U & 0xffffU;
}

GIGAWARP_HD float from_unsigned16(std::uint32_t bits) { return float_of_bits(bits << 15U); }

GIGAWARP_HD PackedMoments pack_moments(const Float3& m, float root) {
  return join_halves(to_bfloat16_pair(m.x, m.y), to_bfloat16_pair(m.z, 0) | to_unsigned16(root)
                                                                                << 16U);
}

GIGAWARP_HD Float3 unpack_first_moment(PackedMoments w) {
  return {from_bfloat16(static_cast<Bfloat16>(w)), from_bfloat16(static_cast<Bfloat16>(w >> 16U)),
          from_bfloat16(static_cast<Bfloat16>(w >> 32U))};
}

GIGAWARP_HD float unpack_second_root(PackedMoments w) {
  return from_unsigned16(static_cast<std::uint32_t>(w >> 48U));
}

}  // namespace gigawarp::math

#pragma once
#include <cmath>

#include "cpu/multiversion.h"

/// Branch-free pieces of the implicit head, made to vectorise; lengths in nominal millimetres.
namespace gigawarp::phantom {

GIGAWARP_ALWAYS_INLINE float smaller(float a, float b) { return a < b ? a : b; }
GIGAWARP_ALWAYS_INLINE float larger(float a, float b) { return a > b ? a : b; }
GIGAWARP_ALWAYS_INLINE float square(float a) { return a * a; }
GIGAWARP_ALWAYS_INLINE float clamp01(float a) { return smaller(larger(a, 0.0F), 1.0F); }

/// sin(2 pi t) to 4e-6, for |t| < 4e6.
GIGAWARP_ALWAYS_INLINE float sin_turns(float t) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to a whole number
  const float r = t - ((t + kRound) - kRound);
  const float a = std::fabs(r);
  const float q = smaller(a, 0.5F - a) * 6.2831853F;
  const float q2 = q * q;
  const float s =
      q * (1.0F + q2 * (-1.6666667e-1F +
                        q2 * (8.3333310e-3F + q2 * (-1.9840874e-4F + q2 * 2.7525562e-6F))));
  return r < 0 ? -s : s;
}

/// First-order signed distance to an ellipsoid of radii rx, ry, rz; negative inside.
GIGAWARP_ALWAYS_INLINE float ellipsoid(float x, float y, float z, float rx, float ry, float rz) {
  const float ix = 1.0F / rx, iy = 1.0F / ry, iz = 1.0F / rz;  // constants once inlined
  const float qx = x * ix, qy = y * iy, qz = z * iz;
  const float k0 = std::sqrt(qx * qx + qy * qy + qz * qz);
  const float k1 = std::sqrt(square(qx * ix) + square(qy * iy) + square(qz * iz));
  return k0 * (k0 - 1.0F) / (k1 + 1e-6F);
}

/// Cheaper, for small structures: exact gradient at the surface only.
GIGAWARP_ALWAYS_INLINE float blob(float x, float y, float z, float rx, float ry, float rz) {
  const float ix = 1.0F / rx, iy = 1.0F / ry, iz = 1.0F / rz;  // constants once inlined
  const float qx = x * ix, qy = y * iy, qz = z * iz;
  const float k1 = std::sqrt(square(qx * ix) + square(qy * iy) + square(qz * iz));
  return 0.5F * (qx * qx + qy * qy + qz * qz - 1.0F) / (k1 + 1e-6F);
}

/// Union with a rounded seam of width k.
GIGAWARP_ALWAYS_INLINE float smooth_union(float a, float b, float k) {
  const float h = larger(k - std::fabs(a - b), 0.0F);
  return smaller(a, b) - h * h / (4.0F * k);
}
GIGAWARP_ALWAYS_INLINE float smooth_intersection(float a, float b, float k) {
  return -smooth_union(-a, -b, k);
}

}  // namespace gigawarp::phantom

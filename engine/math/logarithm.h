#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

#include "math/host_device.h"

namespace gigawarp::math {

/// The natural logarithm of a positive, normal double, to 2 ulp, from operations that IEEE 754
/// defines alone: the same bits on every processor. What devices compute on their own must agree
/// with what the host computes for several of them, and libraries' logarithms differ in their last
/// bit.
GIGAWARP_HD double logarithm(double v) {
  // v = m · 2^k with m in [1/√2, √2); log m = 2 artanh s, s = (m − 1)/(m + 1), |s| < 0.172.
  constexpr std::uint64_t kOne = 0x3ff0000000000000U, kRootHalf = 0x3fe6a09e667f3bcdU;
  const auto bits = std::bit_cast<std::uint64_t>(v);
  const std::uint64_t above = bits + (kOne - kRootHalf);  // carries into the exponent from √2 on
  const auto k = static_cast<double>(static_cast<std::int64_t>(above >> 52U) - 1023);
  const auto m = std::bit_cast<double>((above & 0x000fffffffffffffU) + kRootHalf);
  const double s = (m - 1.0) / (m + 1.0), q = s * s;
  double series = 1.0 / 21;  // (artanh s / s − 1) / q, to q^10
  for (int n = 19; n >= 3; n -= 2) series = std::fma(series, q, 1.0 / n);
  const double r = q * series;
  const double log_m = 2.0 * std::fma(s, r, s);
  constexpr double kLn2High = 0x1.62e42fefa3800p-1, kLn2Low = 0x1.ef35793c76730p-45;
  return std::fma(k, kLn2High, std::fma(k, kLn2Low, log_m));
}

}  // namespace gigawarp::math

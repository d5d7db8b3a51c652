#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "cpu/multiversion.h"
#include "ops/taps.h"

/// Short symmetric filters on rows. Always inlined, so that a multiversioned caller gets its own
/// copy.
namespace gigawarp::cpu {

using ops::Taps;

/// out[x] = sum_k taps[k] in[x + k], x in [0, n): `in` holds radius more values before and after.
template <int R>
GIGAWARP_ALWAYS_INLINE void fir_x_fixed(const float* taps, const float* __restrict in,
                                        float* __restrict out, std::int64_t n) {
#pragma omp simd
  for (std::int64_t x = 0; x < n; ++x) {
    float s = 0;
    for (int k = 0; k <= 2 * R; ++k) s += taps[k] * in[x + k];
    out[x] = s;
  }
}

GIGAWARP_ALWAYS_INLINE void fir_x(const Taps& t, const float* __restrict in_minus_radius,
                                  float* __restrict out, std::int64_t n) {
  switch (t.radius) {
    case 0: fir_x_fixed<0>(t.weight, in_minus_radius, out, n); return;
    case 1: fir_x_fixed<1>(t.weight, in_minus_radius, out, n); return;
    case 2: fir_x_fixed<2>(t.weight, in_minus_radius, out, n); return;
    case 3: fir_x_fixed<3>(t.weight, in_minus_radius, out, n); return;
    case 4: fir_x_fixed<4>(t.weight, in_minus_radius, out, n); return;
    case 5: fir_x_fixed<5>(t.weight, in_minus_radius, out, n); return;
    default: break;
  }
  for (std::int64_t x = 0; x < n; ++x) out[x] = 0;
  for (int k = 0; k <= 2 * t.radius; ++k) {
    const float w = t.weight[k];
    const float* __restrict in = in_minus_radius + k;
#pragma omp simd
    for (std::int64_t x = 0; x < n; ++x) out[x] += w * in[x];
  }
}

/// out[x] = sum_k taps[k] rows[k][x]; rows[k] may be null (counts as zero).
template <int R>
GIGAWARP_ALWAYS_INLINE void fir_rows_fixed(const float* taps, const float* const* rows,
                                           float* __restrict out, std::int64_t n) {
  const float* __restrict r[2 * R + 1];
  for (int k = 0; k <= 2 * R; ++k) r[k] = rows[k];
#pragma omp simd
  for (std::int64_t x = 0; x < n; ++x) {
    float s = 0;
    for (int k = 0; k <= 2 * R; ++k) s += taps[k] * r[k][x];
    out[x] = s;
  }
}

GIGAWARP_ALWAYS_INLINE void fir_rows(const Taps& t, const float* const* rows, float* __restrict out,
                                     std::int64_t n) {
  switch (t.radius) {
    case 0: fir_rows_fixed<0>(t.weight, rows, out, n); return;
    case 1: fir_rows_fixed<1>(t.weight, rows, out, n); return;
    case 2: fir_rows_fixed<2>(t.weight, rows, out, n); return;
    case 3: fir_rows_fixed<3>(t.weight, rows, out, n); return;
    case 4: fir_rows_fixed<4>(t.weight, rows, out, n); return;
    case 5: fir_rows_fixed<5>(t.weight, rows, out, n); return;
    default: break;
  }
  for (std::int64_t x = 0; x < n; ++x) out[x] = 0;
  for (int k = 0; k <= 2 * t.radius; ++k) {
    const float w = t.weight[k];
    const float* __restrict in = rows[k];
#pragma omp simd
    for (std::int64_t x = 0; x < n; ++x) out[x] += w * in[x];
  }
}

}  // namespace gigawarp::cpu

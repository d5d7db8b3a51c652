#include <algorithm>
#include <cmath>
#include <mutex>
#include <vector>

#include "cpu/cpu_ops.h"
#include "cpu/tiles.h"
#include "math/bins.h"
#include "math/metric.h"

namespace gigawarp::cpu {
namespace {

math::BinAxis fixed_axis(const ops::MiArgs& args) {
  return math::BinAxis::fixed(args.fixed_bins.low, args.fixed_bins.high, args.bins);
}
math::BinAxis moving_axis(const ops::MiArgs& args) {
  return math::BinAxis::moving(args.moving_bins.low, args.moving_bins.high, args.bins);
}

/// bin[x]: row offset in the table for the fixed bin plus first moving bin; -1 where it does not
/// count.
GIGAWARP_MULTIVERSION void bin_row(const float* __restrict f, const float* __restrict m,
                                   std::int64_t n, math::BinAxis fm, math::BinAxis mm,
                                   std::int32_t bins, std::int32_t* __restrict bin,
                                   float* __restrict fraction) {
#pragma omp simd
  for (std::int64_t x = 0; x < n; ++x) {
    const bool counts = m[x] == m[x];
    const math::BinPlace place = math::bin_place(fm, mm, bins, f[x], counts ? m[x] : 0.0F);
    fraction[x] = place.fraction;
    bin[x] = counts ? place.first : -1;
  }
}

GIGAWARP_MULTIVERSION void weight_row(const float* __restrict fraction, std::int64_t n,
                                      std::int32_t* __restrict weights) {
  constexpr auto kOne = static_cast<float>(ops::JointHistogram::kOne);
#pragma omp simd
  for (std::int64_t x = 0; x < n; ++x) {
    float w[4];
    math::cubic_bspline_weights(fraction[x], w);
    // NOLINTBEGIN(bugprone-incorrect-roundings): weights are not negative, and lround is no SIMD.
    const auto a = static_cast<std::int32_t>(w[0] * kOne + 0.5F),
               b = static_cast<std::int32_t>(w[1] * kOne + 0.5F),
               d = static_cast<std::int32_t>(w[3] * kOne + 0.5F);
    // NOLINTEND(bugprone-incorrect-roundings)
    weights[x] = a;
    weights[n + x] = b;
    weights[2 * n + x] = static_cast<std::int32_t>(kOne) - a - b - d;  // every voxel weighs kOne
    weights[3 * n + x] = d;
  }
}

GIGAWARP_MULTIVERSION void derivative_row(const float* __restrict m,
                                          const std::int32_t* __restrict bin,
                                          const float* __restrict fraction, std::int64_t n,
                                          const float* __restrict table, math::BinAxis mm,
                                          float scale, float* __restrict out) {
  const float low = mm.low, high = mm.low + mm.last / mm.per_width;
#pragma omp simd
  for (std::int64_t x = 0; x < n; ++x) {
    float d[4];
    math::cubic_bspline_derivatives(fraction[x], d);
    const std::int32_t i = bin[x] < 0 ? 0 : bin[x];
    const float v =
        d[0] * table[i] + d[1] * table[i + 1] + d[2] * table[i + 2] + d[3] * table[i + 3];
    const bool counts = (bin[x] >= 0) & (m[x] > low) & (m[x] < high);  // clamped: no slope
    out[x] = counts ? v * scale : 0.0F;
  }
}

}  // namespace

void mi_histogram(const ops::MiArgs& args, ops::JointHistogram& histogram) {
  const ops::Extent& e = args.pair.fixed.extent;
  const math::BinAxis fm = fixed_axis(args), mm = moving_axis(args);
  const auto bins = static_cast<std::size_t>(args.bins), cells = bins * bins;
  histogram.bins = args.bins;
  histogram.counts.resize(cells, 0);
  std::mutex mutex;
  constexpr std::int64_t kPlanes = 8;
  for_each_tile(e, args.range, e.ny, kPlanes, [&](const Tile& tile) {
    std::vector<std::int64_t> counts(cells + 4, 0);
    const auto n = static_cast<std::size_t>(e.nx);
    std::vector<float> fixed(n), fraction(n);
    std::vector<std::int32_t> bin(n), weights(4 * n);
    for (std::int64_t z = tile.z0; z < tile.z1; ++z)
      for (std::int64_t y = tile.y0; y < tile.y1; ++y) {
        load_row(args.pair.fixed, y, z, fixed.data());
        bin_row(fixed.data(), args.warped.row(y, z), e.nx, fm, mm, args.bins, bin.data(),
                fraction.data());
        weight_row(fraction.data(), e.nx, weights.data());
        for (std::size_t x = 0; x < n; ++x) {
          if (bin[x] < 0) continue;
          std::int64_t* c = counts.data() + bin[x];
          c[0] += weights[x];
          c[1] += weights[n + x];
          c[2] += weights[2 * n + x];
          c[3] += weights[3 * n + x];
        }
      }
    const std::scoped_lock lock(mutex);  // integers: the order of addition cannot show
    for (std::size_t i = 0; i < cells; ++i) histogram.counts[i] += counts[i];
  });
}

void mi_gradient(const ops::MiArgs& args, const ops::MiTable& table,
                 std::vector<ops::PlaneSums>& sums) {
  const ops::Extent& e = args.pair.fixed.extent;
  const math::BinAxis fm = fixed_axis(args), mm = moving_axis(args);
  const MovingGeometry geometry(args.pair.moving, args.pair.moving_from_fixed);
  const auto scale =
      static_cast<float>(static_cast<double>(mm.per_width) / std::max(1.0, args.count));
  std::vector<float> padded(table.derivative);
  padded.resize(padded.size() + 4, 0.0F);
  parallel_for(args.range.end - args.range.begin, [&](std::int64_t i) {
    const std::int64_t z = args.range.begin + i;
    const auto n = static_cast<std::size_t>(e.nx);
    std::vector<float> fixed(n), fraction(n), dl_dm(n);
    std::vector<std::int32_t> bin(n);
    ops::PlaneSums plane;
    for (std::int64_t y = 0; y < e.ny; ++y) {
      load_row(args.pair.fixed, y, z, fixed.data());
      const float* warped = args.warped.row(y, z);
      bin_row(fixed.data(), warped, e.nx, fm, mm, args.bins, bin.data(), fraction.data());
      derivative_row(warped, bin.data(), fraction.data(), e.nx, padded.data(), mm, scale,
                     dl_dm.data());
      emit_gradient(args.pair, geometry, args.target, y, z, dl_dm.data(), plane);
    }
    sums[static_cast<std::size_t>(z)] = plane;
  });
}

}  // namespace gigawarp::cpu

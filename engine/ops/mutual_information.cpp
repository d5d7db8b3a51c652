#include <algorithm>
#include <cmath>

#include "ops/similarity.h"

namespace gigawarp::ops {

double JointHistogram::total() const {
  std::int64_t sum = 0;
  for (const std::int64_t n : counts) sum += n;
  return static_cast<double>(sum) / kOne;
}

MiTable mutual_information(const JointHistogram& histogram) {
  const auto bins = static_cast<std::size_t>(histogram.bins);
  MiTable out;
  out.derivative.assign(bins * bins, 0.0F);
  std::int64_t total = 0;
  std::vector<std::int64_t> fixed(bins, 0), moving(bins, 0);
  for (std::size_t f = 0; f < bins; ++f)
    for (std::size_t m = 0; m < bins; ++m) {
      const std::int64_t n = histogram.counts[f * bins + m];
      total += n;
      fixed[f] += n;
      moving[m] += n;
    }
  if (total == 0) return out;
  const auto sum = static_cast<double>(total);
  double mi = 0;
  for (std::size_t f = 0; f < bins; ++f)
    for (std::size_t m = 0; m < bins; ++m) {
      const std::int64_t n = histogram.counts[f * bins + m];
      if (n <= 0) continue;
      const auto joint = static_cast<double>(n);
      const double ratio =
          std::log(joint * sum / (static_cast<double>(fixed[f]) * static_cast<double>(moving[m])));
      mi += joint / sum * ratio;
    }
  out.loss = -mi;
  // dMI/dp(f,m) = log p(f,m)/p(m) + const(f); the constant drops out because the derivatives of the
  // four B-spline weights of a voxel add up to zero. A bin that no voxel touches is never looked
  // up.
  for (std::size_t f = 0; f < bins; ++f)
    for (std::size_t m = 0; m < bins; ++m) {
      const std::int64_t n = histogram.counts[f * bins + m];
      if (n > 0)
        out.derivative[f * bins + m] =
            static_cast<float>(-std::log(static_cast<double>(n) / static_cast<double>(moving[m])));
      else  // touched with a weight below the fixed-point step: as if it held half a step
        out.derivative[f * bins + m] =
            static_cast<float>(-std::log(0.5 / std::max(1.0, static_cast<double>(moving[m]))));
    }
  return out;
}

}  // namespace gigawarp::ops

#include "math/mutual_information.h"

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
  double mi = 0;
  for (std::size_t f = 0; f < bins; ++f) {
    double row = 0;
    for (std::size_t m = 0; m < bins; ++m) {
      const std::int64_t n = histogram.counts[f * bins + m];
      row += math::mi_term(n, total, fixed[f], moving[m]);
      out.derivative[f * bins + m] = math::mi_derivative(n, moving[m]);
    }
    mi += row;
  }
  out.loss = -mi;
  return out;
}

}  // namespace gigawarp::ops

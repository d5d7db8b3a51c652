#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/value_counts.h"
#include "solve/pyramid.h"

namespace gigawarp::solve {
namespace {

/// Counts of finite values in `bins` bins over [low, high].
std::vector<std::int64_t> histogram(const VolumeFeed& volume, double low, double high,
                                    std::size_t bins) {
  const Size3 n = volume.grid().size;
  const std::int64_t plane = n[0] * n[1];
  const double per_width = static_cast<double>(bins) / (high - low);
  if (const ValueCounts* known = known_counts(volume)) {  // the same numbers without the file
    std::vector<std::int64_t> total(bins, 0);
    for (std::size_t i = 0; i < known->number.size(); ++i) {
      const auto value = static_cast<double>(known->lowest + static_cast<std::int64_t>(i));
      const double b = (value - low) * per_width;
      if (b >= 0) total[std::min(static_cast<std::size_t>(b), bins - 1)] += known->number[i];
    }
    return total;
  }
  std::vector<std::vector<std::int64_t>> parts(static_cast<std::size_t>(n[2]));
  PlaneWalk walk;
  walk.shared = true;
  dispatch(volume.type(), [&]<class T>() {
    for_each_plane(volume, walk, [&](std::int64_t z, const std::byte* bytes) {
      std::vector<std::int64_t> counts(bins, 0);
      const T* p = reinterpret_cast<const T*>(bytes);
      for (std::int64_t i = 0; i < plane; ++i) {
        const double b = (static_cast<double>(p[i]) - low) * per_width;
        if (b >= 0) ++counts[std::min(static_cast<std::size_t>(b), bins - 1)];
      }
      parts[static_cast<std::size_t>(z)] = std::move(counts);
    });
  });
  std::vector<std::int64_t> total(bins, 0);
  for (const auto& part : parts)
    for (std::size_t b = 0; b < part.size(); ++b) total[b] += part[b];
  add_counts(volume, total);
  return total;
}

}  // namespace

double noise_variance(const VolumeFeed& volume, double threshold, double deviation) {
  const Size3 n = volume.grid().size;
  if (n[0] < 3 || n[1] < 3 || n[2] < 3) return 0;
  constexpr std::size_t kBins = 2048;
  const double per_width = static_cast<double>(kBins) / (2.0 * deviation);  // up to two deviations
  // A few million voxels say enough.
  const std::int64_t step = std::max<std::int64_t>(1, volume.grid().voxel_count() / 4000000);
  std::vector<std::vector<std::int64_t>> parts(static_cast<std::size_t>(n[2]));
  dispatch(volume.type(), [&]<class T>() {
    const PlaneWalk walk{1, n[2] - 1, step, 1, true};
    for_each_plane(volume, walk, [&](std::int64_t z, const std::byte* bytes) {
      std::vector<std::int64_t> counts(kBins, 0);
      for (std::int64_t y = 1; y < n[1] - 1; ++y) {
        const T* p = reinterpret_cast<const T*>(bytes) + y * n[0];
        for (std::int64_t x = 1; x < n[0] - 1; ++x) {
          const auto v = static_cast<double>(p[x]);
          if (!(v > threshold)) continue;
          const double around =
              static_cast<double>(p[x - 1]) + static_cast<double>(p[x + 1]) +
              static_cast<double>(p[x - n[0]]) + static_cast<double>(p[x + n[0]]) +
              static_cast<double>(p[x - n[0] * n[1]]) + static_cast<double>(p[x + n[0] * n[1]]);
          const double bin = std::abs(v - around / 6) * per_width;
          ++counts[bin < static_cast<double>(kBins) ? static_cast<std::size_t>(bin) : kBins - 1];
        }
      }
      parts[static_cast<std::size_t>(z)] = std::move(counts);
    });
  });
  std::vector<std::int64_t> total(kBins, 0);
  for (const auto& part : parts)
    for (std::size_t b = 0; b < part.size(); ++b) total[b] += part[b];
  add_counts(volume, total);
  const std::int64_t number = std::accumulate(total.begin(), total.end(), std::int64_t{0});
  std::int64_t reached = 0;
  for (std::size_t b = 0; b < kBins && number > 0; ++b) {
    if (2 * (reached + total[b]) >= number) {
      // Within the median's bin, in proportion: integer volumes have few distinct residuals.
      const double inside = (0.5 * static_cast<double>(number) - static_cast<double>(reached)) /
                            static_cast<double>(std::max<std::int64_t>(total[b], 1));
      const double median = (static_cast<double>(b) + inside) / per_width;
      const double sigma = 1.4826 * median * std::sqrt(6.0 / 7.0);
      return sigma * sigma;
    }
    reached += total[b];
  }
  return 0;
}

IntensityScale intensity_scale(const VolumeFeed& volume) {
  const IntensityStatistics all = intensity_statistics(volume);
  IntensityScale out;
  if (!(all.maximum > all.minimum)) return out;
  constexpr std::size_t kBins = 4096;
  const std::vector<std::int64_t> counts = histogram(volume, all.minimum, all.maximum, kBins);
  const double width = (all.maximum - all.minimum) / static_cast<double>(kBins);
  // Background: the first bin, where skull-stripped and padded volumes pile up.
  double number = 0, sum = 0, squares = 0;
  for (std::size_t b = 1; b < kBins; ++b) {
    const double value = all.minimum + (static_cast<double>(b) + 0.5) * width;
    const auto n = static_cast<double>(counts[b]);
    number += n;
    sum += n * value;
    squares += n * value * value;
  }
  if (number < 1) {
    number = 1;
    sum = all.maximum;
    squares = all.maximum * all.maximum;
  }
  const double mean = sum / number;
  const double deviation =
      std::max(std::sqrt(std::max(0.0, squares / number - mean * mean)), width);
  const auto percentile = [&](double fraction) {
    const double target = fraction * (number + static_cast<double>(counts[0]));
    double reached = 0;
    for (std::size_t b = 0; b < kBins; ++b) {
      reached += static_cast<double>(counts[b]);
      if (reached >= target) return all.minimum + (static_cast<double>(b) + 0.5) * width;
    }
    return all.maximum;
  };
  out.noise_variance =
      noise_variance(volume, mean - 0.5 * deviation, deviation) / (deviation * deviation);
  out.offset = static_cast<float>(mean);
  out.scale = static_cast<float>(1.0 / deviation);
  out.low = static_cast<float>((percentile(0.001) - mean) / deviation);
  out.high = static_cast<float>((percentile(0.999) - mean) / deviation);
  if (!(out.high > out.low)) {
    out.low = static_cast<float>((all.minimum - mean) / deviation);
    out.high = static_cast<float>((all.maximum - mean) / deviation);
  }
  return out;
}

}  // namespace gigawarp::solve

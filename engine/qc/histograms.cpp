#include "qc/histograms.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/parallel.h"

namespace gigawarp::qc {
namespace {

constexpr std::int64_t kBorder = 2;

void add(JacobianHistogram& to, const JacobianHistogram& part) {
  for (std::size_t i = 0; i < to.bins.size(); ++i) to.bins[i] += part.bins[i];
  to.folds += part.folds;
  to.below += part.below;
  to.above += part.above;
  to.voxels += part.voxels;
}

/// A volume between its voxels; nothing half a voxel beyond the outer voxel centres.
std::optional<double> trilinear(const Volume& volume, const Vec3& v) {
  const Size3& n = volume.grid().size;
  std::int64_t low[3];
  double weight[3];
  for (int a = 0; a < 3; ++a) {
    const auto last = static_cast<double>(n[a] - 1);
    if (!(v[a] >= -0.5 && v[a] <= last + 0.5)) return std::nullopt;
    const double place = std::clamp(v[a], 0.0, last);
    low[a] = std::min(static_cast<std::int64_t>(place), std::max<std::int64_t>(0, n[a] - 2));
    weight[a] = place - static_cast<double>(low[a]);
  }
  double sum = 0;
  for (int corner = 0; corner < 8; ++corner) {
    double w = 1;
    std::int64_t at[3];
    for (int a = 0; a < 3; ++a) {
      const int up = corner >> a & 1;
      w *= up != 0 ? weight[a] : 1 - weight[a];
      at[a] = low[a] + up;
    }
    if (w > 0) sum += w * volume.value(at[0], at[1], at[2]);
  }
  return sum;
}

int bin_of(double value, const std::pair<double, double>& range, int bins) {
  const double t = (value - range.first) / std::max(1e-300, range.second - range.first);
  return static_cast<int>(std::clamp(t * bins, 0.0, bins - 1.0));
}

double mutual_information(const JointHistogram& h) {
  const auto n = static_cast<std::size_t>(h.bins);
  std::vector<double> fixed(n, 0), moving(n, 0);
  for (std::size_t m = 0; m < n; ++m)
    for (std::size_t f = 0; f < n; ++f) {
      fixed[f] += h.counts[m * n + f];
      moving[m] += h.counts[m * n + f];
    }
  const auto total = static_cast<double>(std::max<std::int64_t>(1, h.samples));
  double sum = 0;
  for (std::size_t m = 0; m < n; ++m)
    for (std::size_t f = 0; f < n; ++f)
      if (const double c = h.counts[m * n + f]; c > 0)
        sum += c / total * std::log(c * total / (fixed[f] * moving[m]));
  return sum;
}

}  // namespace

JacobianHistogram jacobian_histogram(const Volume& jacobian, int bins, double log2_range) {
  JacobianHistogram out;
  out.log2_range = log2_range;
  out.bins.assign(static_cast<std::size_t>(bins), 0);
  const Size3& n = jacobian.grid().size;
  const auto* data = jacobian.channel<float>();
  Size3 low{}, high{};
  for (int a = 0; a < 3; ++a) {
    low[a] = std::min(kBorder, (n[a] - 1) / 2);
    high[a] = n[a] - low[a];
  }
  std::vector<JacobianHistogram> parts(static_cast<std::size_t>(high[2] - low[2]), out);
  parallel_for(high[2] - low[2], [&](std::int64_t k) {
    JacobianHistogram& part = parts[static_cast<std::size_t>(k)];
    for (std::int64_t y = low[1]; y < high[1]; ++y)
      for (std::int64_t x = low[0]; x < high[0]; ++x) {
        const float det = data[((low[2] + k) * n[1] + y) * n[0] + x];
        if (std::isnan(det)) continue;
        ++part.voxels;
        if (det <= 0) {
          ++part.folds;
          continue;
        }
        const double place = (std::log2(det) + log2_range) / (2 * log2_range) * bins;
        if (place < 0)
          ++part.below;
        else if (place >= bins)
          ++part.above;
        else
          ++part.bins[static_cast<std::size_t>(place)];
      }
  });
  for (const JacobianHistogram& part : parts) add(out, part);
  return out;
}

JointHistogram joint_histogram(const Volume& fixed, const Volume& moving,
                               const Transform* moving_from_fixed,
                               const std::pair<double, double>& fixed_range,
                               const std::pair<double, double>& moving_range, int bins,
                               std::int64_t samples) {
  JointHistogram out;
  out.bins = bins;
  out.counts.assign(static_cast<std::size_t>(bins) * static_cast<std::size_t>(bins), 0);
  const Grid& grid = fixed.grid();
  const Affine moving_voxel = moving.grid().voxel_from_world();
  std::int64_t stride = 1;
  while (grid.voxel_count() / (stride * stride * stride) > samples) ++stride;
  const Size3& n = grid.size;
  for (std::int64_t z = 0; z < n[2]; z += stride)
    for (std::int64_t y = 0; y < n[1]; y += stride)
      for (std::int64_t x = 0; x < n[0]; x += stride) {
        const Vec3 world = grid.world_from_voxel(
            {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
        const std::optional<Vec3> point =
            moving_from_fixed != nullptr ? (*moving_from_fixed)(world) : world;
        if (!point) continue;
        const std::optional<double> value = trilinear(moving, moving_voxel(*point));
        const double here = fixed.value(x, y, z);
        if (!value || !std::isfinite(*value) || !std::isfinite(here)) continue;
        const int row = bin_of(*value, moving_range, bins),
                  column = bin_of(here, fixed_range, bins);
        ++out.counts[static_cast<std::size_t>(row) * static_cast<std::size_t>(bins) +
                     static_cast<std::size_t>(column)];
        ++out.samples;
      }
  out.mutual_information = mutual_information(out);
  return out;
}

}  // namespace gigawarp::qc

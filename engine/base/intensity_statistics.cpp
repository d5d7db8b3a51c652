#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/parallel.h"
#include "gigawarp/volume_feed.h"

namespace gigawarp {
namespace {

/// Sums of one plane; planes are added in their order, so that neither threads nor slabs matter.
struct Partial {
  double sum = 0, squares = 0, minimum = std::numeric_limits<double>::infinity(),
         maximum = -std::numeric_limits<double>::infinity();
  std::int64_t finite = 0, not_zero = 0;
};

template <class T>
Partial sums_of(const T* p, std::int64_t voxels) {
  Partial part;
  for (std::int64_t i = 0; i < voxels; ++i) {
    const auto v = static_cast<double>(p[i]);
    if (!std::isfinite(v)) continue;
    part.sum += v;
    part.squares += v * v;
    part.minimum = v < part.minimum ? v : part.minimum;
    part.maximum = v > part.maximum ? v : part.maximum;
    part.not_zero += v != 0;
    ++part.finite;
  }
  return part;
}

IntensityStatistics summary_of(const std::vector<Partial>& partials, std::int64_t voxels) {
  IntensityStatistics out;
  double sum = 0, squares = 0;
  std::int64_t finite = 0;
  out.minimum = std::numeric_limits<double>::infinity();
  out.maximum = -out.minimum;
  for (const Partial& p : partials) {
    sum += p.sum;
    squares += p.squares;
    finite += p.finite;
    out.not_zero += p.not_zero;
    out.minimum = std::min(out.minimum, p.minimum);
    out.maximum = std::max(out.maximum, p.maximum);
  }
  out.not_finite = voxels - finite;
  if (finite == 0) {
    out.minimum = out.maximum = 0;
    return out;
  }
  out.mean = sum / static_cast<double>(finite);
  out.standard_deviation =
      std::sqrt(std::max(0.0, squares / static_cast<double>(finite) - out.mean * out.mean));
  return out;
}

}  // namespace

IntensityStatistics intensity_statistics(const Volume& volume, int c) {
  const Size3 n = volume.grid().size;
  const std::int64_t plane = n[0] * n[1];
  std::vector<Partial> partials(static_cast<std::size_t>(n[2]));
  dispatch(volume.type(), [&]<class T>() {
    parallel_for(n[2], [&](std::int64_t z) {
      partials[static_cast<std::size_t>(z)] = sums_of(volume.channel<T>(c) + z * plane, plane);
    });
  });
  return summary_of(partials, volume.grid().voxel_count());
}

IntensityStatistics intensity_statistics(const VolumeFeed& feed) {
  if (const IntensityStatistics* known = feed.known_statistics()) return *known;
  const Size3 n = feed.grid().size;
  std::vector<Partial> partials(static_cast<std::size_t>(n[2]));
  PlaneWalk walk;
  walk.shared = true;
  dispatch(feed.type(), [&]<class T>() {
    for_each_plane(feed, walk, [&](std::int64_t z, const std::byte* plane) {
      partials[static_cast<std::size_t>(z)] =
          sums_of(reinterpret_cast<const T*>(plane), n[0] * n[1]);
    });
  });
  gather_planes(feed, partials);
  return summary_of(partials, feed.grid().voxel_count());
}

}  // namespace gigawarp

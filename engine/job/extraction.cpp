#include "job/extraction.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/parallel.h"

namespace gigawarp::job {
namespace {

/// A rim voxel is tissue above this share of the mean of all voxels that are not zero.
constexpr double kRimOfMean = 0.25;
/// Tissue is above this share of the bright end, taken as mean and 2.5 deviations.
constexpr double kTissueOfBright = 0.15;
/// Heads show 1.7 times the tissue of their brain and more, brains of adults differ by less.
constexpr double kMoreTissue = 1.4;
/// A volume cut out of its surroundings is zero in more than this share of its voxels; one with a
/// fading rim in many, and the moving one in clearly fewer.
constexpr double kLeastZeros = 0.3, kManyZeros = 0.6, kFewerZeros = 0.6;

struct Counts {
  std::int64_t zeros = 0, rim = 0, bright_rim = 0, tissue = 0;
  std::int64_t face_zeros[6]{};  ///< x low, x high, y low, …
  double sum = 0, squares = 0, minimum = std::numeric_limits<double>::max();

  Counts& operator+=(const Counts& o) {
    zeros += o.zeros;
    rim += o.rim;
    bright_rim += o.bright_rim;
    tissue += o.tissue;
    for (int f = 0; f < 6; ++f) face_zeros[f] += o.face_zeros[f];
    sum += o.sum;
    squares += o.squares;
    minimum = std::min(minimum, o.minimum);
    return *this;
  }
};

/// body(place, voxel, counts) over all voxels, `voxel` pointing into planes of which the neighbours
/// are in memory; planes are added up in their order, so that the sums do not depend on threads.
template <class T, class Body>
Counts over_voxels(const VolumeFeed& volume, const Body& body) {
  const Size3& n = volume.grid().size;
  std::vector<Counts> planes(static_cast<std::size_t>(n[2]));
  PlaneWalk walk;
  walk.halo = 1;
  walk.shared = true;
  for_each_plane(volume, walk, [&](std::int64_t z, const std::byte* plane) {
    Counts& counts = planes[static_cast<std::size_t>(z)];
    const T* voxel = reinterpret_cast<const T*>(plane);
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) body(Size3{x, y, z}, voxel++, counts);
  });
  gather_planes(volume, planes);
  Counts total;
  for (const Counts& counts : planes) total += counts;
  return total;
}

template <class T>
bool beside_zero(const T* voxel, const Size3& n, const Size3& at) {
  std::int64_t stride = 1;
  for (int a = 0; a < 3; ++a) {
    if (at[a] > 0 && *(voxel - stride) == T(0)) return true;
    if (at[a] + 1 < n[a] && *(voxel + stride) == T(0)) return true;
    stride *= n[a];
  }
  return false;
}

template <class T>
Counts first_look(const VolumeFeed& volume) {
  const Size3& n = volume.grid().size;
  return over_voxels<T>(volume, [&](const Size3& at, const T* voxel, Counts& counts) {
    const auto value = static_cast<double>(*voxel);
    counts.minimum = std::min(counts.minimum, value);
    counts.sum += value;
    counts.squares += value * value;
    if (*voxel != T(0)) return;
    ++counts.zeros;
    for (int a = 0; a < 3; ++a) {
      counts.face_zeros[2 * a] += at[a] == 0 ? 1 : 0;
      counts.face_zeros[2 * a + 1] += at[a] + 1 == n[a] ? 1 : 0;
    }
  });
}

}  // namespace

bool Extraction::cut_out() const {
  return zero_share > kLeastZeros && zero_faces > 0.95 && bright_rim > 0.7;
}

Extraction examine_extraction(const VolumeFeed& volume) {
  const Size3& n = volume.grid().size;
  const auto voxels = static_cast<double>(volume.grid().voxel_count());
  const double voxel_mm3 = std::abs(volume.grid().world_from_voxel.determinant());
  Extraction out;
  dispatch(volume.type(), [&]<class T>() {
    const Counts first = first_look<T>(volume);
    const double not_zero = std::max(1.0, voxels - static_cast<double>(first.zeros));
    const double mean = first.sum / not_zero;
    const double deviation = std::sqrt(std::max(0.0, first.squares / not_zero - mean * mean));
    const double rim_above = kRimOfMean * mean;
    const double bright = mean + 2.5 * deviation;
    const double tissue_above = first.minimum + kTissueOfBright * (bright - first.minimum);
    const Counts second =
        over_voxels<T>(volume, [&](const Size3& at, const T* voxel, Counts& counts) {
          if (*voxel == T(0)) return;
          const auto value = static_cast<double>(*voxel);
          counts.tissue += value > tissue_above ? 1 : 0;
          if (!beside_zero(voxel, n, at)) return;
          ++counts.rim;
          counts.bright_rim += value > rim_above ? 1 : 0;
        });
    out.zero_share = static_cast<double>(first.zeros) / voxels;
    out.zero_faces = 1;
    for (int f = 0; f < 6; ++f)
      out.zero_faces = std::min(out.zero_faces, static_cast<double>(first.face_zeros[f]) *
                                                    static_cast<double>(n[f / 2]) / voxels);
    if (second.rim > 0)
      out.bright_rim = static_cast<double>(second.bright_rim) / static_cast<double>(second.rim);
    out.not_zero_mm3 = not_zero * voxel_mm3;
    out.tissue_mm3 = static_cast<double>(second.tissue) * voxel_mm3;
  });
  return out;
}

ExtractedSide compare_extraction(const VolumeFeed& fixed, const VolumeFeed& moving) {
  const Extraction of_fixed = examine_extraction(fixed);
  if (of_fixed.zero_share <= kLeastZeros) return ExtractedSide::neither_or_both;
  const Extraction of_moving = examine_extraction(moving);
  if (of_moving.cut_out() || of_moving.tissue_mm3 <= kMoreTissue * of_fixed.not_zero_mm3)
    return ExtractedSide::neither_or_both;
  if (of_fixed.cut_out()) return ExtractedSide::fixed_alone;
  return of_fixed.zero_share > kManyZeros &&
                 of_moving.zero_share < kFewerZeros * of_fixed.zero_share
             ? ExtractedSide::fixed_alone_perhaps
             : ExtractedSide::neither_or_both;
}

}  // namespace gigawarp::job

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

/// Fewest planes that stand for a volume, and how far apart they are where bricks are thin.
constexpr std::int64_t kLeastPlanes = 16, kApart = 16;

/// Planes that are looked at: all, or some in the middle of layers of bricks, so that a plane's
/// neighbours come with it.
PlaneWalk walk_of(const VolumeFeed& volume, bool all) {
  PlaneWalk walk;
  walk.halo = 1;
  walk.shared = true;
  if (all) return walk;
  const std::int64_t brick = std::max<std::int64_t>(1, volume.brick_planes());
  walk.step = (kApart + brick - 1) / brick * brick;
  while (walk.step > 1 && volume.grid().size[2] / walk.step < kLeastPlanes) walk.step /= 2;
  walk.begin = walk.step / 2;
  if (walk.step >= brick) walk.begin = walk.begin / brick * brick + brick / 2;
  return walk;
}

/// body(place, voxel, counts) over all voxels of the walk's planes, `voxel` pointing into planes of
/// which the neighbours are in memory; planes are added up in their order, so that the sums do not
/// depend on threads.
template <class T, class Body>
Counts over_voxels(const VolumeFeed& volume, const PlaneWalk& walk, const Body& body) {
  const Size3& n = volume.grid().size;
  std::vector<Counts> planes(static_cast<std::size_t>(n[2]));
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

void count_zero(const Size3& at, const Size3& n, Counts& counts) {
  ++counts.zeros;
  for (int a = 0; a < 3; ++a) {
    counts.face_zeros[2 * a] += at[a] == 0 ? 1 : 0;
    counts.face_zeros[2 * a + 1] += at[a] + 1 == n[a] ? 1 : 0;
  }
}

template <class T>
Counts first_look(const VolumeFeed& volume) {
  const Size3& n = volume.grid().size;
  return over_voxels<T>(volume, walk_of(volume, true),
                        [&](const Size3& at, const T* voxel, Counts& counts) {
                          const auto value = static_cast<double>(*voxel);
                          counts.minimum = std::min(counts.minimum, value);
                          counts.sum += value;
                          counts.squares += value * value;
                          if (*voxel == T(0)) count_zero(at, n, counts);
                        });
}

/// Zeros on the first and the last plane, which the others tell nothing of.
template <class T>
void look_at_ends(const VolumeFeed& volume, Counts& counts) {
  const Size3& n = volume.grid().size;
  for (const int face : {4, 5}) {
    const Volume plane = read_planes(volume, face == 4 ? 0 : n[2] - 1, 1);
    counts.face_zeros[face] =
        std::count(plane.channel<T>(), plane.channel<T>() + n[0] * n[1], T(0));
  }
}

/// What first_look() finds, from the statistics of the volume; zeros of the faces come later.
Counts from_statistics(const VolumeFeed& volume) {
  const IntensityStatistics known = intensity_statistics(volume);
  const auto voxels = static_cast<double>(volume.grid().voxel_count());
  Counts counts;
  counts.zeros = volume.grid().voxel_count() - known.not_zero;
  counts.sum = known.mean * voxels;
  counts.squares =
      (known.standard_deviation * known.standard_deviation + known.mean * known.mean) * voxels;
  counts.minimum = known.minimum;
  return counts;
}

/// Values above which a rim voxel, or any voxel, is tissue.
struct Thresholds {
  double rim = 0, tissue = 0;
};

Thresholds thresholds_of(const Counts& first, double not_zero) {
  const double mean = first.sum / not_zero;
  const double deviation = std::sqrt(std::max(0.0, first.squares / not_zero - mean * mean));
  const double bright = mean + 2.5 * deviation;
  return {kRimOfMean * mean, first.minimum + kTissueOfBright * (bright - first.minimum)};
}

/// Rim and tissue; `zeros`: the zeros of the planes and of their edges as well.
template <class T>
Counts second_look(const VolumeFeed& volume, const PlaneWalk& walk, const Thresholds& above,
                   bool zeros) {
  const Size3& n = volume.grid().size;
  return over_voxels<T>(volume, walk, [&](const Size3& at, const T* voxel, Counts& counts) {
    if (*voxel == T(0)) {
      if (zeros) count_zero(at, n, counts);
      return;
    }
    const auto value = static_cast<double>(*voxel);
    counts.tissue += value > above.tissue ? 1 : 0;
    if (!beside_zero(voxel, n, at)) return;
    ++counts.rim;
    counts.bright_rim += value > above.rim ? 1 : 0;
  });
}

/// Planes of the walk.
std::int64_t planes_of(const PlaneWalk& walk, const Grid& grid) {
  return (grid.size[2] - walk.begin + walk.step - 1) / walk.step;
}

/// The share of zeros on the face that has fewest, of which `planes` planes were looked at.
double zeros_of_faces(const Counts& counts, const Size3& n, std::int64_t planes) {
  double least = 1;
  for (int f = 0; f < 6; ++f) {
    const std::int64_t face = f < 4 ? n[f < 2 ? 1 : 0] * planes : n[0] * n[1];
    least = std::min(least, static_cast<double>(counts.face_zeros[f]) / static_cast<double>(face));
  }
  return least;
}

}  // namespace

bool Extraction::cut_out() const {
  return zero_share > kLeastZeros && zero_faces > 0.95 && bright_rim > 0.7;
}

Extraction examine_extraction(const VolumeFeed& volume, std::int64_t every_voxel) {
  const Grid& grid = volume.grid();
  const bool all = volume.whole() != nullptr || grid.voxel_count() <= every_voxel;
  const PlaneWalk walk = walk_of(volume, all);
  const std::int64_t planes = planes_of(walk, grid);
  const auto voxels = static_cast<double>(grid.voxel_count());
  const double voxel_mm3 = std::abs(grid.world_from_voxel.determinant());
  Extraction out;
  dispatch(volume.type(), [&]<class T>() {
    Counts first = all ? first_look<T>(volume) : from_statistics(volume);
    const double not_zero = std::max(1.0, voxels - static_cast<double>(first.zeros));
    const Counts second = second_look<T>(volume, walk, thresholds_of(first, not_zero), !all);
    if (!all) {
      std::copy_n(second.face_zeros, 4, first.face_zeros);
      look_at_ends<T>(volume, first);
    }
    out.zero_share = static_cast<double>(first.zeros) / voxels;
    out.zero_faces = zeros_of_faces(first, grid.size, planes);
    if (second.rim > 0)
      out.bright_rim = static_cast<double>(second.bright_rim) / static_cast<double>(second.rim);
    out.not_zero_mm3 = not_zero * voxel_mm3;
    out.tissue_mm3 = static_cast<double>(second.tissue) * voxel_mm3 *
                     static_cast<double>(grid.size[2]) / static_cast<double>(planes);
  });
  return out;
}

ExtractedSide compare_extraction(const VolumeFeed& fixed, const VolumeFeed& moving,
                                 std::int64_t every_voxel) {
  if (const IntensityStatistics* known = fixed.known_statistics()) {
    const auto zeros = static_cast<double>(fixed.grid().voxel_count() - known->not_zero);
    if (zeros <= kLeastZeros * static_cast<double>(fixed.grid().voxel_count()))
      return ExtractedSide::neither_or_both;
  }
  const Extraction of_fixed = examine_extraction(fixed, every_voxel);
  if (of_fixed.zero_share <= kLeastZeros) return ExtractedSide::neither_or_both;
  const Extraction of_moving = examine_extraction(moving, every_voxel);
  if (of_moving.cut_out() || of_moving.tissue_mm3 <= kMoreTissue * of_fixed.not_zero_mm3)
    return ExtractedSide::neither_or_both;
  if (of_fixed.cut_out()) return ExtractedSide::fixed_alone;
  return of_fixed.zero_share > kManyZeros &&
                 of_moving.zero_share < kFewerZeros * of_fixed.zero_share
             ? ExtractedSide::fixed_alone_perhaps
             : ExtractedSide::neither_or_both;
}

}  // namespace gigawarp::job

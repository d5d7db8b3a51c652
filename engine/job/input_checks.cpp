#include "job/input_checks.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "base/parallel.h"
#include "gigawarp/error.h"

namespace gigawarp::job {

namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
  throw Error(ErrorCode::bad_input, "\"" + path + "\" " + reason, path);
}

std::string size_text(const Grid& grid) {
  return std::to_string(grid.size[0]) + " x " + std::to_string(grid.size[1]) + " x " +
         std::to_string(grid.size[2]);
}

std::string grid_text(const Grid& grid) {
  const Vec3 spacing = grid.spacing_mm();
  std::ostringstream text;
  text << size_text(grid) << " voxels of " << spacing[0] << " x " << spacing[1] << " x "
       << spacing[2] << " mm";
  return text.str();
}

/// What tells two lattices apart; those of one size and spacing by the place or direction.
std::string difference_text(const Grid& one, const Grid& other) {
  const std::string a = grid_text(one), b = grid_text(other);
  return a == b ? "both " + a + ", but elsewhere or turned" : a + " against " + b;
}

/// Files of one grid differ by what their formats round.
constexpr double kCompanionTolerance = 0.01;  // voxels

bool is_finite(const Affine& affine) {
  for (int r = 0; r < 3; ++r) {
    if (!std::isfinite(affine.offset[r])) return false;
    for (int c = 0; c < 3; ++c)
      if (!std::isfinite(affine.linear[r][c])) return false;
  }
  return true;
}

/// The engine computes with 32-bit floats: beyond their range, or as the difference of large and
/// nearly equal numbers, an image would be infinite or constant to it.
void check_range(const IntensityStatistics& statistics, const std::string& path) {
  constexpr double kFewestSteps = 64;
  using Float = std::numeric_limits<float>;
  const double largest = std::max(std::abs(statistics.minimum), std::abs(statistics.maximum));
  const double spread = statistics.maximum - statistics.minimum;
  std::ostringstream range;
  range << statistics.minimum << " to " << statistics.maximum;
  if (largest > Float::max() / 2 || spread < Float::min() * kFewestSteps)
    refuse(path, "has values of " + range.str() +
                     ", beyond what 32-bit numbers hold; multiply it by a suitable factor first.");
  if (spread < kFewestSteps * Float::epsilon() / 2 * largest)
    refuse(path, "has values of " + range.str() +
                     ", too close to each other for their size; subtract its minimum first.");
}

template <class T>
void replace_not_finite(Volume& volume, double replacement) {
  const std::int64_t plane = volume.grid().size[0] * volume.grid().size[1];
  parallel_for(volume.grid().size[2], [&](std::int64_t z) {
    T* p = volume.channel<T>() + z * plane;
    for (std::int64_t i = 0; i < plane; ++i)
      if (!std::isfinite(p[i])) p[i] = static_cast<T>(replacement);
  });
}

}  // namespace

void check_geometry(const Grid& grid, const std::string& path) {
  if (grid.voxel_count() <= 0) refuse(path, "has no voxels.");
  const double determinant = grid.world_from_voxel.determinant();
  if (!is_finite(grid.world_from_voxel) || !std::isfinite(determinant) || determinant == 0)
    refuse(
        path,
        "has a header whose voxel size or direction is zero or not a number; repair its header.");
}

IntensityStatistics check_intensities(const VolumeFeed& volume, const std::string& path,
                                      std::vector<std::string>& warnings) {
  if (volume.channels() != 1)
    refuse(path, "has " + std::to_string(volume.channels()) +
                     " values per voxel; give one file for each channel.");
  const IntensityStatistics statistics = intensity_statistics(volume);
  if (statistics.not_finite == volume.grid().voxel_count())
    refuse(path, "has no voxel with a finite value.");
  if (statistics.minimum == statistics.maximum) {
    if (statistics.maximum == 0)
      refuse(path, "is empty: every voxel is zero, so there is nothing to align.");
    refuse(path, "is constant: every voxel has the same value, so there is nothing to align.");
  }
  check_range(statistics, path);
  if (statistics.not_finite == 0) return statistics;
  warnings.push_back("\"" + path + "\" has " + std::to_string(statistics.not_finite) +
                     " voxels that are NaN or infinite; they were replaced by its minimum.");
  return statistics;
}

void check_intensities(Volume& volume, const std::string& path,
                       std::vector<std::string>& warnings) {
  const IntensityStatistics statistics = check_intensities(WholeVolume(&volume), path, warnings);
  if (statistics.not_finite == 0) return;
  if (volume.type() == ScalarType::f32) replace_not_finite<float>(volume, statistics.minimum);
  if (volume.type() == ScalarType::f64) replace_not_finite<double>(volume, statistics.minimum);
}

bool sides_are_odd(const Grid& fixed, const Grid& moving) {
  constexpr double kOddRatio = 3;
  const double ratio = fixed.longest_side_mm() / moving.longest_side_mm();
  return ratio > kOddRatio || ratio < 1 / kOddRatio;
}

void check_size(const Grid& grid, const std::string& path, bool deformable) {
  constexpr std::int64_t kSmallest = 8;
  for (const std::int64_t n : grid.size) {
    if (n == 1)
      refuse(path, "is a single slice (" + size_text(grid) +
                       " voxels); Gigawarp registers volumes of several slices.");
    if (deformable && n < kSmallest)
      refuse(path, "has " + size_text(grid) +
                       " voxels; a deformable registration needs at least 8 along each axis.");
  }
}

void check_channel(const Grid& grid, const std::string& path, const Grid& first,
                   const std::string& first_path) {
  if (!grid.same_lattice(first))
    refuse(path, "lies on another grid than \"" + first_path +
                     "\"; resample the channels of one image to one grid first.");
}

void check_mask(const VolumeFeed& mask, const Grid& mask_file_grid, const std::string& path,
                const Grid& image, const std::string& image_path) {
  if (mask.channels() != 1) refuse(path, "has several values per voxel; a mask has one.");
  check_geometry(mask_file_grid, path);
  if (!mask_file_grid.same_lattice(image, kCompanionTolerance))
    refuse(path, "lies on another grid than its image \"" + image_path + "\" (" +
                     difference_text(mask_file_grid, image) +
                     "); resample the mask to the image with gigawarp apply.");
  if (intensity_statistics(mask).not_zero == 0)
    refuse(path, "is an empty mask: no voxel is inside.");
}

void check_label_grid(const Grid& labels, const std::string& path, const Grid& image,
                      const std::string& image_path) {
  if (!labels.same_lattice(image, kCompanionTolerance))
    refuse(path, "lies on another grid than its image \"" + image_path + "\" (" +
                     difference_text(labels, image) +
                     "); resample the labels to the image with gigawarp apply.");
}

std::string other_grid_warning(const Grid& labels, const std::string& path, const Grid& image,
                               const std::string& image_path) {
  if (labels.same_lattice(image, kCompanionTolerance)) return {};
  return "\"" + path + "\" lies on another grid than its image \"" + image_path + "\" (" +
         difference_text(labels, image) +
         "); its labels count where its header puts them: check that both are of one space.";
}

void check_initial(const Affine& moving_from_fixed, const std::string& path) {
  const double determinant = moving_from_fixed.determinant();
  if (!is_finite(moving_from_fixed) || !std::isfinite(determinant))
    refuse(path, "holds numbers that are not finite.");
  if (std::abs(determinant) < 1e-9)
    refuse(path, "is singular: it flattens space, so it cannot start a registration.");
  if (determinant < 0)
    refuse(path,
           "mirrors space (its determinant is negative); left and right would be exchanged. "
           "Correct the header or the transform.");
}

void check_overlap(const Grid& fixed, const Grid& moving, const Affine& moving_from_fixed,
                   const std::string& fixed_path, const std::string& moving_path) {
  const Affine voxel_from_voxel =
      moving.voxel_from_world() * moving_from_fixed * fixed.world_from_voxel;
  constexpr int kSamples = 24;  // per axis
  int inside = 0;
  for (int i = 0; i < kSamples * kSamples * kSamples; ++i) {
    const std::array<int, 3> cell{i % kSamples, i / kSamples % kSamples, i / kSamples / kSamples};
    Vec3 p{};
    for (int a = 0; a < 3; ++a)
      p[a] = (cell[a] + 0.5) / kSamples * static_cast<double>(fixed.size[a]) - 0.5;
    const Vec3 q = voxel_from_voxel(p);
    bool within = true;
    for (int a = 0; a < 3; ++a)
      within = within && q[a] >= -0.5 && q[a] <= static_cast<double>(moving.size[a]) - 0.5;
    inside += within ? 1 : 0;
  }
  constexpr double kSmallestShare = 0.01;
  if (inside < kSmallestShare * kSamples * kSamples * kSamples)
    refuse(moving_path, "does not overlap \"" + fixed_path +
                            "\" after the chosen initialisation; use --init automatic or another "
                            "initial transform.");
}

}  // namespace gigawarp::job

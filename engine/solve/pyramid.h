#pragma once
#include <array>
#include <map>
#include <memory>
#include <vector>

#include "gigawarp/volume_feed.h"
#include "ops/backend.h"

namespace gigawarp::solve {

/// A grid of one level: voxel i stands for `shrink` voxels per axis of the full grid.
struct LevelGrid {
  Grid grid;
  std::array<int, 3> shrink{1, 1, 1};
  bool is_full() const { return shrink == std::array<int, 3>{1, 1, 1}; }
};

/// Shrink per axis so that the level's voxels are about `spacing_mm` wide, never below the volume's
/// own and leaving at least 20 voxels on every axis that has them.
LevelGrid level_grid(const Grid& full, double spacing_mm);
/// `shrink` times the finest spacing of the grid.
LevelGrid level_grid(const Grid& full, int shrink);
double level_spacing_mm(const Grid& full, int shrink);

/// Linear intensity scaling, fixed for a whole run: zero mean and unit deviation over the voxels
/// above the background, and the range that histograms cover.
struct IntensityScale {
  float offset = 0, scale = 1;
  float low = 0, high = 1;    ///< 0.1 and 99.9 percentile, scaled
  double noise_variance = 0;  ///< of one voxel, scaled; see noise_variance()
};

/// Variance of the voxel noise of channel 0: the median absolute difference of foreground voxels
/// (above `threshold`) from the mean of their six neighbours, as a Gaussian's (Coupé et al., Med.
/// Image Anal. 14, 2010, use the same pseudo-residual). In squared raw intensities; 0 where there
/// is no foreground.
double noise_variance(const VolumeFeed& volume, double threshold, double deviation);
IntensityScale intensity_scale(const VolumeFeed& volume);

/// The levels of a feed in f32, scaled by nothing, in one pass over its planes; memory besides the
/// levels is a few slabs. The same bits as from the whole volume. `host`: a back end whose memory
/// is the host's.
/// Where `feed` holds the means of `factor` voxels per axis of the volume that the levels are of, a
/// narrower filter makes up for the averaging; `factor` divides every shrink.
/// `owner`: only the planes of each level are made that it calls its own (own_planes()), and only
/// what these take is read; the volumes hold those planes.
std::vector<Volume> stream_levels(const VolumeFeed& feed, const std::vector<LevelGrid>& levels,
                                  ops::Backend& host, const std::array<int, 3>& factor = {1, 1, 1},
                                  const ops::Backend* owner = nullptr);

/// A volume in the memory of a back end.
struct PlacedVolume {
  ops::Array array;
  ops::ImageView view;
};

/// A full volume where the back end can read it: what the feed holds on the host; a copy in the
/// device's memory otherwise, made once per run slab by slab, as f32 when it is of a type the
/// samplers do not take. Where several processes share a run, each reads its planes.
class ResidentImage {
 public:
  ResidentImage(std::shared_ptr<const VolumeFeed> feed, ops::Backend& backend);
  const VolumeFeed& feed() const { return *feed_; }
  /// The copy; made now where no level has taken it before. Not on the host.
  const ops::ImageView& view(ops::Backend& backend) const;
  double upload_seconds() const { return upload_seconds_; }
  /// Makes all coarse levels of a run at once where each would take a pass over the file: where
  /// they are made of what files hold, when the volume is not in memory. Coarser copies that the
  /// feed has serve for levels twice as coarse and more.
  void prepare(const std::vector<LevelGrid>& levels, ops::Backend& backend);
  /// The shrink of each level that was made of a coarser copy in the file, and that copy's factor.
  const std::map<std::array<int, 3>, std::array<int, 3>>& taken_from_file() const {
    return taken_from_file_;
  }
  /// A level that was prepared, or nothing; on the host.
  std::shared_ptr<const Volume> coarse(const LevelGrid& level) const;
  /// A level that was prepared, or is made now, in the memory of a back end that
  /// takes_levels_of_files().
  std::shared_ptr<const PlacedVolume> placed(const LevelGrid& level, ops::Backend& backend) const;

 private:
  void upload(ops::Backend& backend) const;

  std::shared_ptr<const VolumeFeed> feed_;
  mutable PlacedVolume full_;
  mutable double upload_seconds_ = 0;
  std::map<std::array<int, 3>, std::shared_ptr<const Volume>> coarse_;        ///< by shrink
  std::map<std::array<int, 3>, std::shared_ptr<const PlacedVolume>> placed_;  ///< the same
  std::map<std::array<int, 3>, std::array<int, 3>> taken_from_file_;
};

/// One volume at one level. Full levels of 8- and 16-bit and f32 volumes in memory borrow the
/// volume; others hold f32.
class LevelImage {
 public:
  LevelImage() = default;
  LevelImage(const ResidentImage& image, const LevelGrid& level, const IntensityScale& scale,
             ops::Backend& backend);
  const ops::ImageView& view() const { return view_; }
  /// Of one voxel of the full volume, scaled. Coarse levels average voxel noise away, but keeping
  /// its figure there too gave better overlap on noisy pairs and the same on clean ones.
  double noise_variance() const { return noise_variance_; }

 private:
  std::shared_ptr<const Volume> owned_;
  std::shared_ptr<const PlacedVolume> placed_;  ///< in place of owned_ in other memory
  ops::ImageView view_;
  double noise_variance_ = 0;
};

/// A mask at one level: u8, non-zero where at least half of what the voxel stands for counts.
class LevelMask {
 public:
  LevelMask() = default;
  LevelMask(const VolumeFeed& mask, const LevelGrid& level, ops::Backend& backend);
  const ops::ImageView& view() const { return view_; }
  std::int64_t count() const { return count_; }  ///< voxels that count

 private:
  Volume owned_;
  ops::Array array_;
  ops::ImageView view_;
  std::int64_t count_ = 0;
};

}  // namespace gigawarp::solve

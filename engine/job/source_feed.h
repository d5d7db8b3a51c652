#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "base/time_sum.h"
#include "base/value_counts.h"
#include "gigawarp/volume_feed.h"
#include "io/brick_source.h"

namespace gigawarp::job {

/// One level and channel of a volume on disk as a feed, in an axis order of the caller's: the same
/// voxels, and geometry, as io::read_image() and reordered() give.
class SourceFeed final : public VolumeFeed, public CountedFeed {
 public:
  struct Choice {
    int level = 0, channel = 0;
    AxisOrder order;      ///< of the feed from the file's
    bool labels = false;  ///< floating-point values must be whole numbers, and become i32
  };
  /// `path` is for messages. Throws Error{usage} for a level that there is not.
  SourceFeed(std::shared_ptr<const io::BrickSource> source, std::filesystem::path path,
             const Choice& choice);

  const Grid& grid() const override { return grid_; }
  void set_grid(const Grid& grid) { grid_ = grid; }  ///< same size; before it is shared
  /// What one pass found, so that nobody passes over the file for it again.
  void set_statistics(CountedStatistics&& counted) {
    statistics_ = counted.statistics;
    counts_ = std::move(counted.counts);
  }
  const ValueCounts* known_counts() const override { return counts_ ? &*counts_ : nullptr; }
  const IntensityStatistics* known_statistics() const override {
    return statistics_ ? &*statistics_ : nullptr;
  }
  /// Coarser levels of the file, for images whose coarse levels may be made of them.
  void set_coarser(std::vector<CoarserFeed> coarser) { coarser_ = std::move(coarser); }
  std::vector<CoarserFeed> coarser() const override { return coarser_; }
  /// Of a file that several processes read, each its planes.
  void set_sharing(std::shared_ptr<const PlaneSharing> sharing) { sharing_ = std::move(sharing); }
  const std::shared_ptr<const PlaneSharing>& shared_sharing() const { return sharing_; }
  const PlaneSharing* sharing() const override { return sharing_.get(); }
  const Choice& choice() const { return choice_; }
  const std::shared_ptr<const io::BrickSource>& shared_source() const { return source_; }
  ScalarType type() const override;
  void read(const Box& box, std::byte* out) const override;
  std::int64_t brick_planes() const override;
  const io::BrickSource& source() const { return *source_; }
  /// Reading ends with Error{cancelled} once this is asked to stop.
  void stop_with(std::stop_token stop) { stop_ = std::move(stop); }
  const std::stop_token& stop() const { return stop_; }
  /// Called after each read with the number of its voxels, by whoever reads; null: nobody.
  void tell_reads(std::function<void(std::int64_t voxels)> tell) { tell_read_ = std::move(tell); }
  /// Where the time of reading is added, from now on; null: nowhere.
  void count_time(std::shared_ptr<TimeSum> sum) { read_time_ = std::move(sum); }

 private:
  void read_box(const Box& box, std::byte* out) const;

  std::shared_ptr<const io::BrickSource> source_;
  std::filesystem::path path_;
  Choice choice_;
  Size3 source_size_;
  Grid grid_;
  std::optional<IntensityStatistics> statistics_;
  std::optional<ValueCounts> counts_;
  std::vector<CoarserFeed> coarser_;
  std::shared_ptr<TimeSum> read_time_;
  std::function<void(std::int64_t)> tell_read_;
  std::stop_token stop_;
  std::shared_ptr<const PlaneSharing> sharing_;
};

/// The coarser levels of the feed's file that are what their geometry says: voxels the centres of
/// whole blocks of finest ones, and their means as far as samples of both tell. Whatever a file
/// calls its way of downsampling, this is looked at. A level counts only where means explain it
/// clearly better than single voxels do; where neither can be ruled out, a note says so.
std::vector<CoarserFeed> proper_levels(const SourceFeed& feed, const std::filesystem::path& path,
                                       std::vector<std::string>& notes);

/// The feed with NaN and infinite voxels replaced.
std::shared_ptr<const VolumeFeed> with_finite_values(std::shared_ptr<const VolumeFeed> feed,
                                                     double replacement);
/// The feed, whose reading ends with Error{cancelled} once `stop` is requested.
std::shared_ptr<const VolumeFeed> stoppable(std::shared_ptr<const VolumeFeed> feed,
                                            std::stop_token stop);
/// u8, 1 where the feed is not zero.
std::shared_ptr<const VolumeFeed> non_zero(std::shared_ptr<const VolumeFeed> feed);

}  // namespace gigawarp::job

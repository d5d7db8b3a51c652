#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "gigawarp/volume_feed.h"

namespace gigawarp {

/// How many voxels have each value, of a type of at most 16 bits: all that histograms and sums of
/// such a volume can be made of, without another pass over its file.
struct ValueCounts {
  std::int64_t lowest = 0;           ///< value of the first entry
  std::vector<std::int64_t> number;  ///< of lowest, lowest + 1, ...
};

/// A feed that may know the counts of its voxels. (Beside VolumeFeed, not in it: one kind of feed
/// has them, and one reader asks.)
class CountedFeed {
 public:
  virtual ~CountedFeed() = default;
  virtual const ValueCounts* known_counts() const = 0;  ///< null: not known
};
/// The counts where `feed` is such a feed and knows them.
const ValueCounts* known_counts(const VolumeFeed& feed);

/// intensity_statistics() of the feed, and the counts of its values in the same pass; none for
/// types of more than 16 bits.
struct CountedStatistics {
  IntensityStatistics statistics;
  std::optional<ValueCounts> counts;
};
CountedStatistics counted_statistics(const VolumeFeed& feed);

}  // namespace gigawarp

#include "shard/plane_sharing.h"

#include <algorithm>
#include <vector>

#include "shard/partition.h"

namespace gigawarp::shard {
namespace {

class RankSharing final : public PlaneSharing {
 public:
  explicit RankSharing(Communicator& communicator) : communicator_(communicator) {}

  std::pair<std::int64_t, std::int64_t> own(std::int64_t planes) const override {
    const std::vector<std::int64_t> borders = borders_of(planes);
    const auto rank = static_cast<std::size_t>(communicator_.rank());
    return {borders[rank], borders[rank + 1]};
  }
  void gather(std::int64_t planes, std::size_t bytes, void* entries) const override {
    const std::vector<std::int64_t> borders = borders_of(planes);
    std::vector<std::size_t> shares;
    for (std::size_t r = 0; r + 1 < borders.size(); ++r)
      shares.push_back(static_cast<std::size_t>(borders[r + 1] - borders[r]) * bytes);
    std::vector<std::byte> all(static_cast<std::size_t>(planes) * bytes);
    auto* const to = static_cast<std::byte*>(entries);
    communicator_.gather(to + static_cast<std::size_t>(own(planes).first) * bytes, shares,
                         all.data());
    std::copy(all.begin(), all.end(), to);
  }
  void add(std::span<std::int64_t> counts) const override {
    const auto ranks = static_cast<std::size_t>(communicator_.size());
    std::vector<std::int64_t> all(counts.size() * ranks);
    const std::vector<std::size_t> bytes(ranks, counts.size_bytes());
    communicator_.gather(counts.data(), bytes, all.data());
    std::fill(counts.begin(), counts.end(), 0);
    for (std::size_t i = 0; i < all.size(); ++i) counts[i % counts.size()] += all[i];
  }

 private:
  std::vector<std::int64_t> borders_of(std::int64_t planes) const {
    return slab_borders(planes,
                        std::vector<double>(static_cast<std::size_t>(communicator_.size()),
                                            1.0 / communicator_.size()),
                        1);
  }

  Communicator& communicator_;
};

}  // namespace

std::shared_ptr<const PlaneSharing> share_planes(Communicator& communicator) {
  return std::make_shared<RankSharing>(communicator);
}

}  // namespace gigawarp::shard

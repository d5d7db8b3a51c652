#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "gigawarp/box.h"
#include "io/brick_source.h"

namespace gigawarp::io {

/// Voxels of one brick, or why there are none.
struct Brick {
  Box box;              ///< in voxels of its level
  Buffer voxels;        ///< x fastest, in the source's type; empty when there is a problem
  std::string problem;  ///< the sentence of the Error that reading threw
  /// Set where a server failed: from then on the brick is asked for again when it is wanted.
  std::optional<std::chrono::steady_clock::time_point> again_from;
};

/// Which brick: `index` counts bricks of the level's size from the volume's corner.
struct BrickKey {
  int level = 0, channel = 0;
  Size3 index{0, 0, 0};
  friend bool operator==(const BrickKey&, const BrickKey&) = default;
  friend bool operator<(const BrickKey& a, const BrickKey& b) {
    return std::tie(a.level, a.channel, a.index) < std::tie(b.level, b.channel, b.index);
  }
};

/// Bricks of any number of sources within one budget of bytes, shared by views and jobs. Those used
/// longest ago go first; one that somebody holds stays valid for him. Thread-safe.
class BrickCache {
 public:
  using Source = std::shared_ptr<const BrickSource>;
  using Pointer = std::shared_ptr<const Brick>;

  /// Reads on `threads` threads of its own, so that nobody waits for the disk in find() and
  /// request(); and on `waiting` more, begun with the first source that is remote, for such alone.
  explicit BrickCache(std::uint64_t budget_bytes, int threads = 2, int waiting = 14);
  ~BrickCache();  ///< waits for the bricks that are being read
  BrickCache(const BrickCache&) = delete;
  BrickCache& operator=(const BrickCache&) = delete;

  /// The brick if it is in memory, else nothing; never waits for the disk.
  Pointer find(const Source& source, const BrickKey& key);
  /// The brick, read here and now if it has to be. A damaged one is no exception: see
  /// Brick::problem.
  Pointer get(const Source& source, const BrickKey& key);

  /// Wants bricks, the highest priority first, within one priority the last request first.
  /// `ready` is called on a thread of the cache for each, also for those that are there already.
  /// What is asked for twice is read once. Returns a ticket.
  std::uint64_t request(const Source& source, const std::vector<BrickKey>& keys, int priority,
                        std::function<void(const BrickKey&, const Pointer&)> ready);
  /// Drops what of the ticket has not been read; `ready` is not called for it once cancel() is
  /// back, except for a brick that is being delivered at this moment.
  void cancel(std::uint64_t ticket);
  /// Forgets every brick of a source that is closed, and what is being read of it when it comes.
  /// Does not wait for that.
  void forget(const BrickSource* source);

  void set_budget(std::uint64_t budget_bytes);
  std::uint64_t budget_bytes() const;
  std::uint64_t held_bytes() const;
  std::uint64_t bricks_read() const;  ///< since the beginning

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The brick's voxels; clipped at the end of the volume.
Box box_of(const SourceLevel& level, const Size3& index);

}  // namespace gigawarp::io

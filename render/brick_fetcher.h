#pragma once
#include <functional>
#include <memory>

#include "render/streamed_volume.h"

namespace gigawarp::render {

/// Gets what pictures lacked: asks the cache for it, drops what a view no longer wants, and tells
/// the view when something has come. Coarse levels come first, then views that are looked at, then
/// what is nearest to the middle of the picture asked for last. Thread-safe; never waits for a
/// file.
class BrickFetcher {
 public:
  explicit BrickFetcher(std::shared_ptr<io::BrickCache> cache);
  ~BrickFetcher();  ///< forgets all views
  BrickFetcher(const BrickFetcher&) = delete;
  BrickFetcher& operator=(const BrickFetcher&) = delete;

  /// Replaces what `view` wants. `arrived` is called on a thread of the cache for every brick and
  /// must be quick (post an event); it may not call this object. `looked_at`: the pointer or the
  /// focus is there.
  void want(const void* view, const std::vector<MissingBricks>& missing, bool looked_at,
            std::function<void()> arrived);
  /// What the view will want if it goes on as it does: read after everything that is wanted now,
  /// dropped with the next want(), and told to nobody.
  void read_ahead(const void* view, const std::vector<MissingBricks>& next);
  /// A view that is gone or hidden; once this is back nothing is told to it any more.
  void forget(const void* view);
  /// Bricks asked for and not delivered.
  std::size_t outstanding() const;
  /// What each of `images` images of one view may take of the cache, so that all views that want
  /// something fit together.
  std::uint64_t share_bytes(int images) const;

 private:
  struct State;
  std::shared_ptr<io::BrickCache> cache_;
  std::shared_ptr<State> state_;  ///< shared with what the cache calls back
};

}  // namespace gigawarp::render

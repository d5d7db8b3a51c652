#include "render/brick_fetcher.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace gigawarp::render {
namespace {
using Wanted = std::pair<const StreamedVolume*, io::BrickKey>;
/// Of the cache for what is looked at; the rest is what was looked at a moment ago.
constexpr double kShare = 0.8;
}  // namespace

struct BrickFetcher::State {
  struct View {
    std::vector<std::uint64_t> tickets;
    std::set<Wanted> outstanding;
    std::function<void()> arrived;
    std::uint64_t serial = 0;  ///< of the requests that count
  };
  explicit State(io::BrickCache* c) : cache(c) {}

  void cancel(View& view) {
    for (const std::uint64_t ticket : view.tickets) cache->cancel(ticket);
    view.tickets.clear();
    view.outstanding.clear();
    view.serial = ++serials;
  }
  void deliver(const void* view, std::uint64_t serial, const Wanted& brick) {
    const std::lock_guard lock(mutex);
    const auto found = views.find(view);
    if (found == views.end() || found->second.serial != serial) return;
    found->second.outstanding.erase(brick);
    found->second.arrived();
  }

  mutable std::mutex mutex;
  io::BrickCache* cache;  ///< not owned: a thread of the cache may be the last to hold this state
  std::map<const void*, View> views;
  std::uint64_t serials = 0;
};

BrickFetcher::BrickFetcher(std::shared_ptr<io::BrickCache> cache)
    : cache_(std::move(cache)), state_(std::make_shared<State>(cache_.get())) {}

BrickFetcher::~BrickFetcher() {
  const std::lock_guard lock(state_->mutex);
  for (auto& [view, wants] : state_->views) state_->cancel(wants);
  state_->views.clear();
}

void BrickFetcher::want(const void* view, const std::vector<MissingBricks>& missing, bool looked_at,
                        std::function<void()> arrived) {
  const std::lock_guard lock(state_->mutex);
  State::View& wants = state_->views[view];
  wants.arrived = std::move(arrived);
  std::set<Wanted> wanted;
  for (const MissingBricks& of : missing)
    for (const io::BrickKey& key : of.keys) wanted.insert({of.volume.get(), key});
  // A picture that is only being refined lacks no more than before.
  if (std::includes(wants.outstanding.begin(), wants.outstanding.end(), wanted.begin(),
                    wanted.end()) &&
      !wanted.empty())
    return;
  state_->cancel(wants);
  wants.outstanding = std::move(wanted);
  for (const MissingBricks& of : missing)
    for (auto first = of.keys.begin(); first != of.keys.end();) {
      const int level = first->level;  // keys come coarse levels first
      const auto last = std::find_if(first, of.keys.end(),
                                     [&](const io::BrickKey& key) { return key.level != level; });
      wants.tickets.push_back(state_->cache->request(
          of.volume->source(), {first, last}, 2 * level + (looked_at ? 1 : 0),
          [state = std::weak_ptr<State>(state_), view, serial = wants.serial,
           volume = of.volume.get()](const io::BrickKey& key, const io::BrickCache::Pointer&) {
            if (const auto alive = state.lock()) alive->deliver(view, serial, {volume, key});
          }));
      first = last;
    }
}

void BrickFetcher::read_ahead(const void* view, const std::vector<MissingBricks>& next) {
  constexpr int kLast = -1;
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->views.find(view);
  if (found == state_->views.end()) return;
  for (const MissingBricks& of : next)
    found->second.tickets.push_back(
        state_->cache->request(of.volume->source(), of.keys, kLast, nullptr));
}

void BrickFetcher::forget(const void* view) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->views.find(view);
  if (found == state_->views.end()) return;
  state_->cancel(found->second);
  state_->views.erase(found);
}

std::size_t BrickFetcher::outstanding() const {
  const std::lock_guard lock(state_->mutex);
  std::size_t sum = 0;
  for (const auto& [view, wants] : state_->views) sum += wants.outstanding.size();
  return sum;
}

std::uint64_t BrickFetcher::share_bytes(int images) const {
  const std::lock_guard lock(state_->mutex);
  const auto pictures = std::max<std::size_t>(1, state_->views.size()) *
                        static_cast<std::size_t>(std::max(1, images));
  return static_cast<std::uint64_t>(kShare * static_cast<double>(state_->cache->budget_bytes())) /
         pictures;
}

}  // namespace gigawarp::render

#include "io/brick_cache.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "gigawarp/error.h"
#include "io/http.h"

namespace gigawarp::io {

namespace {
/// A server that failed is left in peace for so long.
constexpr std::chrono::seconds kRest{15};

using Place = std::pair<const BrickSource*, BrickKey>;

struct Entry {
  BrickCache::Pointer brick;
  std::list<Place>::iterator use;  ///< in the order of use, latest first
};

/// A brick that a thread is reading.
struct Reading {
  Place place;
  bool forgotten = false;  ///< its source has been closed meanwhile
};

struct Request {
  std::uint64_t ticket = 0;
  int priority = 0;
  BrickCache::Source source;
  BrickKey key;
  std::function<void(const BrickKey&, const BrickCache::Pointer&)> ready;
};

std::uint64_t bytes_of(const Brick& brick) { return brick.voxels.bytes() + sizeof(Brick); }

BrickCache::Pointer read_brick(const BrickSource& source, const BrickKey& key) {
  auto brick = std::make_shared<Brick>();
  const SourceInfo& info = source.info();
  brick->box = box_of(info.levels[static_cast<std::size_t>(key.level)], key.index);
  try {
    brick->voxels = Buffer(static_cast<std::size_t>(brick->box.voxel_count()) * size_of(info.type));
    source.read(key.level, key.channel, brick->box, brick->voxels.data());
  } catch (const NetworkError& error) {
    brick->voxels = Buffer();
    brick->problem = error.what();
    brick->again_from = std::chrono::steady_clock::now() + kRest;
  } catch (const std::exception& error) {  // memory may end here as well
    brick->voxels = Buffer();
    brick->problem = error.what();
  }
  return brick;
}
}  // namespace

Box box_of(const SourceLevel& level, const Size3& index) {
  Box box;
  for (std::size_t a = 0; a < 3; ++a) {
    box.begin[a] = index[a] * level.brick[a];
    box.size[a] = std::min(level.brick[a], level.grid.size[a] - box.begin[a]);
    if (index[a] < 0 || box.size[a] <= 0)
      throw Error(ErrorCode::internal, "A brick outside a volume was asked for.");
  }
  return box;
}

struct BrickCache::State {
  mutable std::mutex mutex;
  std::condition_variable_any work, done;
  std::uint64_t budget = 0, held = 0, read = 0, next_ticket = 1;
  std::uint64_t forgets = 0;  ///< calls of forget() so far
  std::map<Place, Entry> entries;
  std::list<Place> uses;
  std::list<Reading> in_progress;
  std::deque<Request> requests;  ///< by priority, the next one last
  std::vector<std::jthread> threads;

  Pointer look(const Place& place);
  void keep(const Place& place, const Pointer& brick);
  void drop(std::map<Place, Entry>::iterator entry);
  void trim();
  /// With `lock` held on entry and exit; waits when another thread reads the same brick.
  Pointer obtain(const Source& source, const BrickKey& key, std::unique_lock<std::mutex>& lock);
  /// The next request of those for remote sources or of all; the end when there is none.
  std::deque<Request>::iterator next(bool remote_only);
  void serve(const std::stop_token& stop, bool remote_only);
  void start_waiting();
  int waiting = 0;  ///< threads for remote sources that are not there yet
};

BrickCache::Pointer BrickCache::State::look(const Place& place) {
  const auto found = entries.find(place);
  if (found == entries.end()) return nullptr;
  const auto& again = found->second.brick->again_from;
  if (again && std::chrono::steady_clock::now() >= *again) {
    drop(found);
    return nullptr;
  }
  uses.splice(uses.begin(), uses, found->second.use);
  return found->second.brick;
}

void BrickCache::State::keep(const Place& place, const Pointer& brick) {
  uses.push_front(place);
  entries[place] = {brick, uses.begin()};
  held += bytes_of(*brick);
  trim();
}

void BrickCache::State::drop(std::map<Place, Entry>::iterator entry) {
  held -= bytes_of(*entry->second.brick);
  uses.erase(entry->second.use);
  entries.erase(entry);
}

void BrickCache::State::trim() {
  while (held > budget && !uses.empty()) drop(entries.find(uses.back()));
}

BrickCache::Pointer BrickCache::State::obtain(const Source& source, const BrickKey& key,
                                              std::unique_lock<std::mutex>& lock) {
  const Place place{source.get(), key};
  const auto is_read_elsewhere = [&] {
    return std::any_of(in_progress.begin(), in_progress.end(),
                       [&](const Reading& r) { return r.place == place; });
  };
  // Who waits is not among in_progress: any forget() meanwhile may have been of this source.
  const std::uint64_t forgets_before = forgets;
  done.wait(lock, [&] { return !is_read_elsewhere(); });
  if (Pointer brick = look(place)) return brick;
  const auto reading = in_progress.insert(in_progress.end(), {place, forgets != forgets_before});
  lock.unlock();
  Pointer brick = read_brick(*source, key);
  lock.lock();
  const bool forgotten = reading->forgotten;
  in_progress.erase(reading);
  ++read;
  if (!forgotten) keep(place, brick);
  done.notify_all();
  return brick;
}

std::deque<Request>::iterator BrickCache::State::next(bool remote_only) {
  const auto last = std::find_if(requests.rbegin(), requests.rend(), [&](const Request& r) {
    return !remote_only || r.source->info().remote;
  });
  return last == requests.rend() ? requests.end() : std::prev(last.base());
}

void BrickCache::State::serve(const std::stop_token& stop, bool remote_only) {
  std::unique_lock lock(mutex);
  while (work.wait(lock, stop, [&] { return next(remote_only) != requests.end(); }) &&
         !stop.stop_requested()) {
    {
      const auto wanted = next(remote_only);
      const Request request = std::move(*wanted);
      requests.erase(wanted);
      const Pointer brick = obtain(request.source, request.key, lock);
      lock.unlock();
      if (request.ready) request.ready(request.key, brick);
    }  // it may be the last to hold its source, which is closed without the mutex
    lock.lock();
  }
}

void BrickCache::State::start_waiting() {
  for (; waiting > 0; --waiting)
    threads.emplace_back([this](const std::stop_token& stop) { serve(stop, true); });
}

BrickCache::BrickCache(std::uint64_t budget_bytes, int threads, int waiting)
    : state_(std::make_unique<State>()) {
  state_->budget = budget_bytes;
  state_->waiting = waiting;
  for (int i = 0; i < threads; ++i)
    state_->threads.emplace_back(
        [s = state_.get()](const std::stop_token& stop) { s->serve(stop, false); });
}

BrickCache::~BrickCache() {
  for (std::jthread& thread : state_->threads) thread.request_stop();
  for (std::jthread& thread : state_->threads) thread.join();
}

BrickCache::Pointer BrickCache::find(const Source& source, const BrickKey& key) {
  const std::lock_guard lock(state_->mutex);
  return state_->look({source.get(), key});
}

BrickCache::Pointer BrickCache::get(const Source& source, const BrickKey& key) {
  std::unique_lock lock(state_->mutex);
  return state_->obtain(source, key, lock);
}

std::uint64_t BrickCache::request(const Source& source, const std::vector<BrickKey>& keys,
                                  int priority,
                                  std::function<void(const BrickKey&, const Pointer&)> ready) {
  const std::lock_guard lock(state_->mutex);
  if (source->info().remote) state_->start_waiting();
  const std::uint64_t ticket = state_->next_ticket++;
  // Behind all of no higher priority: the end of the list is served first.
  const auto at = std::find_if(state_->requests.begin(), state_->requests.end(),
                               [&](const Request& r) { return r.priority > priority; });
  std::vector<Request> added;
  for (auto key = keys.rbegin(); key != keys.rend(); ++key)
    added.push_back({ticket, priority, source, *key, ready});
  state_->requests.insert(at, added.begin(), added.end());
  state_->work.notify_all();
  return ticket;
}

void BrickCache::cancel(std::uint64_t ticket) {
  const std::lock_guard lock(state_->mutex);
  std::erase_if(state_->requests, [&](const Request& r) { return r.ticket == ticket; });
}

void BrickCache::forget(const BrickSource* source) {
  const std::lock_guard lock(state_->mutex);
  State& s = *state_;
  ++s.forgets;
  std::erase_if(s.requests, [&](const Request& r) { return r.source.get() == source; });
  for (Reading& reading : s.in_progress)
    if (reading.place.first == source) reading.forgotten = true;
  for (auto entry = s.entries.begin(); entry != s.entries.end();) {
    if (entry->first.first != source) {
      ++entry;
      continue;
    }
    s.held -= bytes_of(*entry->second.brick);
    s.uses.erase(entry->second.use);
    entry = s.entries.erase(entry);
  }
}

void BrickCache::set_budget(std::uint64_t budget_bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->budget = budget_bytes;
  state_->trim();
}

std::uint64_t BrickCache::budget_bytes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->budget;
}

std::uint64_t BrickCache::held_bytes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->held;
}

std::uint64_t BrickCache::bricks_read() const {
  const std::lock_guard lock(state_->mutex);
  return state_->read;
}

}  // namespace gigawarp::io

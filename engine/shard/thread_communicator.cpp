#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "gigawarp/error.h"
#include "shard/communicator.h"
#include "shard/host_watch.h"

namespace gigawarp::shard {
namespace {

/// What the threads share: each lays open what it has, all meet, each takes what it wants, and all
/// meet again before anybody takes back what it laid open.
class Hub {
 public:
  explicit Hub(int size)
      : sends_(static_cast<std::size_t>(size)),
        has_core_each_(std::thread::hardware_concurrency() >= 2 * sends_.size()) {
    for (auto& gifts : gifts_) gifts.resize(sends_.size());
  }

  std::size_t size() const { return sends_.size(); }
  void fail(ErrorCode code, const std::string& sentence) {
    {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_.emplace(code, sentence, "--device");
      failed_ = true;
    }
    changed_.notify_all();
  }
  void require_unbroken() {
    const std::lock_guard lock(mutex_);
    throw_failure();
  }
  void meet() {
    std::unique_lock lock(mutex_);
    throw_failure();
    const std::uint64_t round = round_;
    if (++arrived_ == size()) {
      arrived_ = 0;
      ++round_;
      changed_.notify_all();
      return;
    }
    lock.unlock();
    watch(round);
    lock.lock();
    changed_.wait(lock, [&] { return round_ != round || failure_; });
    if (round_ == round) throw_failure();
  }

  using Bytes = std::vector<std::byte>;
  /// Waits for nobody: what is posted is a copy.
  void post(std::size_t from, const Message& m) {
    {
      const std::lock_guard lock(mutex_);
      posted_[{from, static_cast<std::size_t>(m.peer)}].emplace_back(m.data, m.data + m.bytes);
    }
    changed_.notify_all();
  }
  /// Waits for the next that was posted to `to` by the message's peer.
  void take_posted(std::size_t to, const Message& wanted) {
    std::unique_lock lock(mutex_);
    std::deque<Bytes>& waiting = posted_[{static_cast<std::size_t>(wanted.peer), to}];
    changed_.wait(lock, [&] { return !waiting.empty() || failure_; });
    if (waiting.empty()) throw_failure();
    const Bytes bytes = std::move(waiting.front());
    waiting.pop_front();
    lock.unlock();
    require_same(bytes.size(), wanted.bytes);
    std::copy(bytes.begin(), bytes.end(), wanted.data);
  }
  static void require_same(std::size_t sent, std::size_t wanted) {
    if (sent != wanted)
      throw Error(ErrorCode::internal, "Two ranks do not agree on what they exchange.");
  }

  std::vector<std::span<const Message>> sends_;
  const void* told_ = nullptr;  ///< by the root of a broadcast
  /// Of gather(), every other call in the second set: who comes to the next call may fill its own
  /// while others still read this one's, and nobody gets to the one after before all have.
  std::array<std::vector<std::vector<std::byte>>, 2> gifts_;

 private:
  void throw_failure() const {
    if (failure_) throw Error(*failure_);
  }
  /// The others of a GPU run come within microseconds, and to be woken takes as long.
  void watch(std::uint64_t round) const {
    if (!has_core_each_) return;
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(100);
    while (round_ == round && !failed_ && std::chrono::steady_clock::now() < end)
      std::this_thread::yield();
  }

  const bool has_core_each_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t arrived_ = 0;
  std::atomic<std::uint64_t> round_{0};
  std::atomic<bool> failed_{false};
  std::optional<Error> failure_;
  std::map<std::pair<std::size_t, std::size_t>, std::deque<Bytes>> posted_;  ///< by from and to
};

class ThreadCommunicator final : public Communicator {
 public:
  ThreadCommunicator(std::shared_ptr<Hub> hub, int rank) : hub_(std::move(hub)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(hub_->size()); }
  void fail(ErrorCode code, const std::string& sentence) override { hub_->fail(code, sentence); }
  void require_unbroken() override { hub_->require_unbroken(); }

  void exchange(std::span<const Message> sends, std::span<const Message> receives) override {
    hub_->sends_[own()] = sends;
    hub_->meet();
    std::vector<std::size_t> next(hub_->size(), 0);  // message of each peer to look at
    for (const Message& m : receives) take(m, next[static_cast<std::size_t>(m.peer)]);
    hub_->meet();
  }
  void begin_exchange(std::span<const Message> sends, std::span<const Message> receives) override {
    hub_->require_unbroken();
    for (const Message& m : sends) hub_->post(own(), m);
    awaited_.assign(receives.begin(), receives.end());
  }
  void finish_exchange() override {
    for (const Message& m : std::exchange(awaited_, {})) hub_->take_posted(own(), m);
  }
  void gather(const void* mine, std::span<const std::size_t> bytes, void* all) override {
    auto& gifts = hub_->gifts_[gathered_++ % 2];
    const auto* const from = static_cast<const std::byte*>(mine);
    gifts[own()].assign(from, from + bytes[own()]);
    hub_->meet();
    auto* to = static_cast<std::byte*>(all);
    for (std::size_t i = 0; i < hub_->size(); ++i)
      to = std::copy(gifts[i].begin(), gifts[i].end(), to);
  }
  void broadcast(void* data, std::size_t bytes, int root) override {
    if (rank_ == root) hub_->told_ = data;
    hub_->meet();
    if (rank_ != root) std::memcpy(data, hub_->told_, bytes);
    hub_->meet();
  }

 private:
  std::size_t own() const { return static_cast<std::size_t>(rank_); }
  void take(const Message& wanted, std::size_t& next) const {
    const std::span<const Message> offers = hub_->sends_[static_cast<std::size_t>(wanted.peer)];
    while (next < offers.size() && offers[next].peer != rank_) ++next;
    if (next == offers.size())
      throw Error(ErrorCode::internal, "Two ranks do not agree on what they exchange.");
    Hub::require_same(offers[next].bytes, wanted.bytes);
    std::memcpy(wanted.data, offers[next++].data, wanted.bytes);
  }

  std::shared_ptr<Hub> hub_;
  const int rank_;
  std::uint64_t gathered_ = 0;
  std::vector<Message> awaited_;  ///< of the exchange that has begun
};

class HostExchange final : public Exchange {
 public:
  explicit HostExchange(Communicator& communicator) : communicator_(communicator) {}
  void begin(std::span<const Message> sends, std::span<const Message> receives) override {
    watch_.time([&] { communicator_.begin_exchange(sends, receives); });
  }
  void finish() override {
    watch_.time([&] { communicator_.finish_exchange(); });
  }
  void operator()(std::span<const Message> sends, std::span<const Message> receives) override {
    watch_.time([&] { communicator_.exchange(sends, receives); });
  }
  double take_seconds() override { return watch_.take(); }
  std::string name() const override { return "host memory"; }

 private:
  Communicator& communicator_;
  HostWatch watch_;
};

}  // namespace

std::vector<std::unique_ptr<Communicator>> make_thread_communicators(int size) {
  const auto hub = std::make_shared<Hub>(size);
  std::vector<std::unique_ptr<Communicator>> all;
  for (int i = 0; i < size; ++i) all.push_back(std::make_unique<ThreadCommunicator>(hub, i));
  return all;
}

std::unique_ptr<Exchange> make_host_exchange(Communicator& communicator) {
  return std::make_unique<HostExchange>(communicator);
}

}  // namespace gigawarp::shard

#pragma once
#include <chrono>
#include <utility>

namespace gigawarp::shard {

/// Seconds that calls take on the host.
class HostWatch {
 public:
  template <class Body>
  void time(const Body& body) {
    const Clock::time_point start = Clock::now();
    body();
    seconds_ += std::chrono::duration<double>(Clock::now() - start).count();
  }
  /// Since the last call.
  double take() { return std::exchange(seconds_, 0.0); }

 private:
  using Clock = std::chrono::steady_clock;
  double seconds_ = 0;
};

}  // namespace gigawarp::shard

#pragma once
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace gigawarp::test {

/// How long the machine itself stood still: a virtual one is stopped when its host gives the
/// processors to others or has to find the memory that the guest touches, and nothing that the
/// guest counts shows it reliably. Threads that come before all others, one on each processor,
/// do not run then either.
class MachineStops {
 public:
  MachineStops() {
    for (unsigned i = 0; i < stopped_ns_.size(); ++i)
      threads_.emplace_back([this, i](const std::stop_token& stop) { watch(i, stop); });
    while (ready_ < threads_.size()) std::this_thread::sleep_for(kPulse);
  }
  /// False where a program may not have threads that come before others: no stop is seen then.
  bool can_see() const { return can_see_; }
  void restart() {
    for (std::atomic<std::int64_t>& ns : stopped_ns_) ns = 0;
  }
  /// Since the restart, of the processor that stood still longest.
  double longest_ms() const {
    std::int64_t longest = 0;
    for (const std::atomic<std::int64_t>& ns : stopped_ns_) longest = std::max(longest, ns.load());
    return static_cast<double>(longest) / 1e6;
  }

 private:
  static constexpr std::chrono::milliseconds kPulse{1};
  static constexpr std::chrono::milliseconds kStop{5};  // a shorter one may be an interrupt

  void watch(unsigned processor, const std::stop_token& stop) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    const sched_param first{.sched_priority = 1};
    const bool comes_first = sched_setaffinity(0, sizeof(set), &set) == 0 &&
                             sched_setscheduler(0, SCHED_FIFO, &first) == 0;
    can_see_ = can_see_ || comes_first;
    ++ready_;
    using Clock = std::chrono::steady_clock;
    for (auto last = Clock::now(); comes_first && !stop.stop_requested();) {
      std::this_thread::sleep_for(kPulse);
      const auto now = Clock::now();
      const auto late = now - last - kPulse;
      if (late > kStop) stopped_ns_.at(processor) += late / std::chrono::nanoseconds(1);
      last = now;
    }
  }

  std::vector<std::atomic<std::int64_t>> stopped_ns_ =
      std::vector<std::atomic<std::int64_t>>(std::max(1U, std::thread::hardware_concurrency()));
  std::atomic<bool> can_see_ = false;
  std::atomic<std::size_t> ready_ = 0;
  std::vector<std::jthread> threads_;
};

}  // namespace gigawarp::test

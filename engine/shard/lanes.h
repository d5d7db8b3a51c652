#pragma once
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

namespace gigawarp::shard {

/// A thread per device, and the caller's for the first: what brings numbers is waited for, so that
/// each needs one of its own. On the host, where all would compete for the same cores, the pool
/// does the same.
class Lanes {
 public:
  Lanes(std::size_t count, bool own_threads);
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  std::size_t count() const { return seconds_.size(); }
  /// work(i) for every lane at once; returns when all have ended. Then throws what the first lane
  /// that failed threw; `failed` receives its number.
  void run(const std::function<void(std::size_t)>& work, std::size_t& failed);
  /// How long each lane took in the last run, and the run as a whole.
  const std::vector<double>& seconds() const { return seconds_; }
  double whole_seconds() const { return whole_seconds_; }

 private:
  void serve(std::size_t lane);
  void work_on(std::size_t lane);

  const bool own_threads_;
  const std::chrono::microseconds looking_;
  const std::function<void(std::size_t)>* work_ = nullptr;
  std::vector<double> seconds_;
  std::vector<std::exception_ptr> errors_;
  double whole_seconds_ = 0;
  std::atomic<std::uint64_t> round_{0};     ///< one more for every run
  std::atomic<std::size_t> unfinished_{0};  ///< threads that still work on it
  std::atomic<bool> ending_{false};
  std::vector<std::thread> threads_;
};

}  // namespace gigawarp::shard

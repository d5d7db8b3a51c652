#pragma once
#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace gigawarp::test {

/// The calls that a thread was in, innermost first.
struct CallStack {
  std::array<void*, 60> calls{};
  int depth = 0;
  long faults = 0;  ///< pages that the thread has waited for from disk, ever
  double late_ms = 0;
};

/// What the thread that makes this is doing while it does not come round: its calls, taken by a
/// signal (SIGPROF) every few milliseconds once it is late; it ends a sleep, and no wait for a lock
/// or a file. One at a time.
class LateCalls {
 public:
  LateCalls() : thread_(pthread_self()) {
    std::array<void*, 2> first{};
    backtrace(first.data(), first.size());  // loads what it needs, which a signal must not
    struct sigaction action {};
    action.sa_handler = [](int) { take(); };
    action.sa_flags = SA_RESTART;
    sigaction(SIGPROF, &action, &before_);
    sampler_ = std::jthread([this](const std::stop_token& stop) { sample(stop); });
  }
  ~LateCalls() {
    sampler_.request_stop();
    sampler_.join();
    sigaction(SIGPROF, &before_, nullptr);
  }
  LateCalls(const LateCalls&) = delete;
  LateCalls& operator=(const LateCalls&) = delete;

  /// On the watched thread, each time it comes round. True keeps what was seen since the last
  /// time, in the place of what was kept before.
  void came_round(bool keep) {
    if (keep) kept_.assign(stacks_.begin(), stacks_.begin() + taken_);
    taken_ = 0;
    came_ns_ = now_ns();
  }
  /// A few of what was kept, from first to last.
  std::string text() const {
    constexpr std::size_t kShown = 6;
    constexpr int kShownCalls = 30;
    if (kept_.empty()) return "  no call was seen: the thread, or the machine, did not run\n";
    std::ostringstream out;
    const std::size_t count = std::min(kShown, kept_.size());
    for (std::size_t i = 0; i < count; ++i) {
      const CallStack& stack =
          kept_.at(i * (kept_.size() - 1) / std::max<std::size_t>(1, count - 1));
      out << "  late by " << stack.late_ms << " ms, pages read from disk so far: " << stack.faults
          << "\n";
      for (int k = kOwnCalls; k < std::min(stack.depth, kOwnCalls + kShownCalls); ++k)
        out << "    " << name_of(stack.calls.at(static_cast<std::size_t>(k))) << "\n";
    }
    return out.str();
  }

 private:
  static constexpr int kOwnCalls = 3;  // take(), the handler, the kernel's return from a signal
  static constexpr std::int64_t kLateNs = 10'000'000;
  static constexpr std::chrono::milliseconds kEvery{4};

  static std::int64_t now_ns() {
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  }
  static void take() {
    if (taken_ >= static_cast<int>(stacks_.size())) return;
    CallStack& stack = stacks_.at(static_cast<std::size_t>(taken_));
    stack.depth = backtrace(stack.calls.data(), static_cast<int>(stack.calls.size()));
    rusage use{};
    getrusage(RUSAGE_THREAD, &use);
    stack.faults = use.ru_majflt;
    stack.late_ms = static_cast<double>(now_ns() - came_ns_) / 1e6;
    ++taken_;
  }
  void sample(const std::stop_token& stop) const {
    while (!stop.stop_requested()) {
      std::this_thread::sleep_for(kEvery);
      if (came_ns_ > 0 && now_ns() - came_ns_ > kLateNs) pthread_kill(thread_, SIGPROF);
    }
  }
  /// "file +offset function"; addr2line -Cfie FILE OFFSET knows those without a name.
  static std::string name_of(void* call) {
    Dl_info info{};
    if (dladdr(call, &info) == 0 || info.dli_fname == nullptr) return "?";
    std::ostringstream out;
    out << info.dli_fname << " +0x" << std::hex
        << static_cast<char*>(call) - static_cast<char*>(info.dli_fbase);
    if (info.dli_sname == nullptr) return out.str();
    int status = 0;
    char* plain = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
    out << " " << (status == 0 ? plain : info.dli_sname);
    std::free(plain);
    return out.str();
  }

  // What the handler reaches; it runs on the watched thread alone.
  static inline std::array<CallStack, 200> stacks_{};
  static inline std::atomic<int> taken_ = 0;
  static inline std::atomic<std::int64_t> came_ns_ = 0;
  pthread_t thread_;
  struct sigaction before_ {};
  std::vector<CallStack> kept_;
  std::jthread sampler_;
};

}  // namespace gigawarp::test

#pragma once
#include <functional>
#include <string>

#include "bench/bench.h"
#include "bench/traffic.h"

namespace gigawarp::bench {

/// Times operations and files one row for each.
class Stopwatch {
 public:
  Stopwatch(Report& report, const std::function<void(const Row&)>& on_row)
      : report_(report), on_row_(on_row) {}

  /// Calls `work` once unmeasured, then as often as the report says.
  void measure(const std::string& operation, const Traffic& traffic,
               const std::function<void()>& work);

 private:
  Report& report_;
  const std::function<void(const Row&)>& on_row_;
};

/// Bytes per second, read plus written, of every thread copying its share of 256 MiB.
double copy_bandwidth(int repeats);

/// Bytes that copy_bandwidth() takes.
constexpr std::uint64_t kCopyBytes = std::uint64_t{512} << 20U;

}  // namespace gigawarp::bench

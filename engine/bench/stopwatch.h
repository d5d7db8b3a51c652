#pragma once
#include <functional>
#include <string>

#include "bench/bench.h"
#include "bench/traffic.h"
#include "ops/backend.h"

namespace gigawarp::bench {

/// Times operations and files one row for each.
class Stopwatch {
 public:
  Stopwatch(Report& report, const std::function<void(const Row&)>& on_row, ops::Backend& backend)
      : report_(report), on_row_(on_row), backend_(backend) {}

  /// Calls `work` once unmeasured, then as often as the report says, each time until the back end
  /// has finished.
  void measure(const std::string& operation, const Traffic& traffic,
               const std::function<void()>& work);

 private:
  Report& report_;
  const std::function<void(const Row&)>& on_row_;
  ops::Backend& backend_;
};

/// Before a peak is forgotten, and at the end: the report keeps the highest.
void note_peak(Report& report, const ops::Backend& backend);

/// Bytes per second, read plus written, of copying 256 MiB within the memory of the back end.
double copy_bandwidth(ops::Backend& backend, int repeats);

/// Bytes that copy_bandwidth() takes.
constexpr std::uint64_t kCopyBytes = std::uint64_t{512} << 20U;

}  // namespace gigawarp::bench

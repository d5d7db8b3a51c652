#include "bench/stopwatch.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/parallel.h"
#include "gigawarp/volume.h"

namespace gigawarp::bench {
namespace {

/// Seconds of each repeat, ascending.
std::vector<double> timed(int repeats, const std::function<void()>& work) {
  work();
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    seconds.push_back(std::max(taken.count(), 1e-9));  // a clock tick at least
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

double median(const std::vector<double>& ascending) {
  const std::size_t n = ascending.size();
  return 0.5 * (ascending[(n - 1) / 2] + ascending[n / 2]);
}

}  // namespace

void Stopwatch::measure(const std::string& operation, const Traffic& traffic,
                        const std::function<void()>& work) {
  const std::vector<double> seconds = timed(report_.repeats, work);
  const auto voxels =
      static_cast<double>(report_.size[0] * report_.size[1]) * static_cast<double>(report_.size[2]);
  Row row;
  row.operation = operation;
  row.milliseconds = median(seconds) * 1e3;
  row.fastest_milliseconds = seconds.front() * 1e3;
  row.ns_per_voxel = median(seconds) * 1e9 / voxels;
  row.bytes_per_voxel = traffic.moved;
  row.gb_per_s = traffic.moved / row.ns_per_voxel;
  row.copy_fraction = row.gb_per_s / report_.copy_gb_per_s;
  row.state_bytes_per_voxel = traffic.state;
  if (on_row_) on_row_(row);
  report_.rows.push_back(std::move(row));
}

double copy_bandwidth(int repeats) {
  constexpr std::size_t kBytes = kCopyBytes / 2;
  Buffer from(kBytes), to(kBytes);
  std::memset(from.data(), 1, kBytes);
  const auto shares = static_cast<std::size_t>(available_threads());
  const std::vector<double> seconds = timed(repeats, [&] {
    parallel_for(static_cast<std::int64_t>(shares), [&](std::int64_t i) {
      const std::size_t begin = kBytes * static_cast<std::size_t>(i) / shares;
      const std::size_t end = kBytes * static_cast<std::size_t>(i + 1) / shares;
      std::memcpy(to.data() + begin, from.data() + begin, end - begin);
    });
  });
  return 2.0 * static_cast<double>(kBytes) / median(seconds);
}

}  // namespace gigawarp::bench

#include "bench/stopwatch.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

namespace gigawarp::bench {
namespace {

/// The first call makes what later ones find: memory, threads, pages.
void warm_up(ops::Backend& backend, const std::function<void()>& work) {
  work();
  backend.synchronise();
}

/// Seconds of each repeat; `between` is called after each, and not timed.
std::vector<double> timed(
    ops::Backend& backend, int repeats, const std::function<void()>& work,
    const std::function<void()>& between = [] {}) {
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    backend.synchronise();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    seconds.push_back(std::max(taken.count(), 1e-9));  // a clock tick at least
    between();
  }
  return seconds;
}

/// 0 of nothing.
double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  return 0.5 * (values[(n - 1) / 2] + values[n / 2]);
}

template <class T>
double mean(const std::vector<T>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// Of each repeat, the mean of several devices; the last two are ranks' alone.
struct Waits {
  std::vector<double> waiting_seconds, exchange_seconds, received_bytes;

  void add(const ops::GridTimes& grid) {
    if (!grid.busy_seconds.empty())
      waiting_seconds.push_back(grid.seconds - mean(grid.busy_seconds));
    if (!grid.exchange_seconds.empty()) exchange_seconds.push_back(mean(grid.exchange_seconds));
    if (!grid.received_bytes.empty()) received_bytes.push_back(mean(grid.received_bytes));
  }
};

}  // namespace

void Stopwatch::measure(const std::string& operation, const Traffic& traffic,
                        const std::function<void()>& work) {
  note_peak(report_, backend_);
  backend_.forget_peak();
  warm_up(backend_, work);
  backend_.take_grid_times();  // what that call waited is not told
  Waits waits;
  const std::vector<double> seconds =
      timed(backend_, report_.repeats, work, [&] { waits.add(backend_.take_grid_times()); });
  const auto voxels =
      static_cast<double>(report_.size[0] * report_.size[1]) * static_cast<double>(report_.size[2]);
  Row row;
  row.operation = operation;
  row.milliseconds = median(seconds) * 1e3;
  row.fastest_milliseconds = *std::min_element(seconds.begin(), seconds.end()) * 1e3;
  row.ns_per_voxel = median(seconds) * 1e9 / voxels;
  row.bytes_per_voxel = traffic.moved;
  row.gb_per_s = traffic.moved / row.ns_per_voxel;
  row.copy_fraction = row.gb_per_s / report_.copy_gb_per_s;
  row.state_bytes_per_voxel = traffic.state;
  if (const std::uint64_t peak = backend_.peak_bytes(); peak > 0)
    row.peak_bytes_per_voxel = static_cast<double>(peak) / voxels;
  row.waiting_milliseconds = 1e3 * median(waits.waiting_seconds);
  row.communication_milliseconds = 1e3 * median(waits.exchange_seconds);
  row.received_bytes = median(waits.received_bytes);
  if (on_row_) on_row_(row);
  report_.rows.push_back(std::move(row));
}

void note_peak(Report& report, const ops::Backend& backend) {
  report.device_peak_bytes = std::max(report.device_peak_bytes, backend.peak_bytes());
}

double copy_bandwidth(ops::Backend& backend, int repeats) {
  constexpr std::size_t kBytes = kCopyBytes / 2;
  const auto voxels = static_cast<std::int64_t>(kBytes);  // of a byte: with all devices of a grid
  const ops::Array from = backend.allocate_volume(kBytes, voxels),
                   to = backend.allocate_volume(kBytes, voxels);
  backend.fill_words(from.as<std::uint64_t>(), 1, kBytes / sizeof(std::uint64_t));
  // A GPU needs so little for one that starting it and waiting would show.
  const int copies = backend.on_host() ? 1 : 8;
  const auto work = [&] {
    for (int i = 0; i < copies; ++i) backend.copy(to.data(), from.data(), kBytes);
  };
  warm_up(backend, work);
  const std::vector<double> seconds = timed(backend, repeats, work);
  return 2.0 * copies * static_cast<double>(kBytes) / median(seconds);
}

}  // namespace gigawarp::bench

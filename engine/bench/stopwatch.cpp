#include "bench/stopwatch.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace gigawarp::bench {
namespace {

/// Seconds of each repeat, ascending.
std::vector<double> timed(ops::Backend& backend, int repeats, const std::function<void()>& work) {
  work();
  backend.synchronise();
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    backend.synchronise();
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
  note_peak(report_, backend_);
  backend_.forget_peak();
  backend_.take_grid_times();
  const std::vector<double> seconds = timed(backend_, report_.repeats, work);
  const ops::GridTimes grid = backend_.take_grid_times();
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
  if (const std::uint64_t peak = backend_.peak_bytes(); peak > 0)
    row.peak_bytes_per_voxel = static_cast<double>(peak) / voxels;
  for (const double busy : grid.busy_seconds)
    row.waiting_milliseconds += 1e3 * (grid.seconds - busy) /
                                static_cast<double>(grid.busy_seconds.size()) /
                                (report_.repeats + 1);  // and the call before those that count
  const auto average = [&](const auto& of_each) {
    double sum = 0;
    for (const auto value : of_each) sum += static_cast<double>(value);
    return of_each.empty() ? 0 : sum / static_cast<double>(of_each.size()) / (report_.repeats + 1);
  };
  row.communication_milliseconds = 1e3 * average(grid.exchange_seconds);
  row.received_bytes = average(grid.received_bytes);
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
  const std::vector<double> seconds = timed(backend, repeats, [&] {
    for (int i = 0; i < copies; ++i) backend.copy(to.data(), from.data(), kBytes);
  });
  return 2.0 * copies * static_cast<double>(kBytes) / median(seconds);
}

}  // namespace gigawarp::bench

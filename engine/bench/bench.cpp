#include "bench/bench.h"

#include <algorithm>

#include "base/parallel.h"
#include "bench/problem.h"
#include "bench/rows.h"
#include "gigawarp/error.h"
#include "solve/device_choice.h"

namespace gigawarp::bench {
namespace {

/// Images, state of the solver, and the coarse field of the pyramid rows: 50 + 1.5, rounded up. The
/// field rows need less: images, the field, its inverse and one image.
constexpr std::uint64_t kPeakBytesPerVoxel = 52;
constexpr std::uint64_t kProgramBytes = std::uint64_t{64} << 20U;

void require(std::int64_t value, std::int64_t low, std::int64_t high, const std::string& option,
             const std::string& what) {
  if (value >= low && value <= high) return;
  throw Error(ErrorCode::usage,
              option + " takes between " + std::to_string(low) + " and " + std::to_string(high) +
                  " " + what + ", not " + std::to_string(value) + ".",
              option);
}

std::unique_ptr<ops::Backend> backend_of(const std::string& device) {
  return solve::make_backend(solve::chosen_device(device), 0);
}

void require_memory(const Spec& spec) {
  const std::uint64_t needed = memory_needed(spec), available = available_memory_bytes();
  if (needed <= available) return;
  throw Error(ErrorCode::does_not_fit,
              "The benchmark needs " + std::to_string(needed >> 20U) + " MiB of memory, but only " +
                  std::to_string(available >> 20U) +
                  " MiB are available; close other programs or choose a smaller --size.",
              "--size");
}

}  // namespace

void validate(const Spec& spec) {
  for (const std::int64_t n : spec.size) require(n, 16, 65536, "--size", "voxels on each axis");
  require(spec.threads, 0, 4096, "--threads", "threads");
  require(spec.repeats, 1, 1000, "--repeats", "repeats");
  if (spec.metrics.empty() || spec.radii.empty() || spec.bins.empty())
    throw Error(ErrorCode::usage, "--metric, --radius and --bins take at least one value each.");
  for (const int radius : spec.radii) require(radius, 1, 16, "--radius", "voxels");
  for (const int bins : spec.bins) require(bins, 16, 128, "--bins", "bins");
}

std::uint64_t memory_needed(const Spec& spec) {
  const auto voxels = static_cast<std::uint64_t>(spec.size[0] * spec.size[1] * spec.size[2]);
  return std::max(voxels * kPeakBytesPerVoxel, kCopyBytes) + kProgramBytes;
}

Report run(const Spec& spec, const std::function<void(const Report&)>& on_start,
           const std::function<void(const Row&)>& on_row) {
  validate(spec);
  const std::unique_ptr<ops::Backend> backend = backend_of(spec.device);
  require_memory(spec);
  Report report;
  report.size = spec.size;
  report.device = spec.device;
  report.repeats = spec.repeats;
  const int most = available_threads();
  report.threads = spec.threads > 0 ? std::min(spec.threads, most) : most;
  with_threads(report.threads, [&] {
    report.copy_gb_per_s = copy_bandwidth(spec.repeats) * 1e-9;
    if (on_start) on_start(report);
    Stopwatch stopwatch(report, on_row);
    const Problem problem(spec.size);
    measure_solver_operations(problem, spec, *backend, stopwatch);
    measure_field_operations(problem, stopwatch);
  });
  report.peak_resident_bytes = peak_resident_bytes();
  return report;
}

}  // namespace gigawarp::bench

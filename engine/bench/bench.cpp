#include "bench/bench.h"

#include <algorithm>

#include "base/parallel.h"
#include "bench/problem.h"
#include "bench/rows.h"
#include "gigawarp/error.h"
#include "ops/grid_members.h"
#include "solve/device_choice.h"
#include "solve/rank_run.h"

namespace gigawarp::bench {
namespace {

/// Images, state of the solver, and the coarse field of the pyramid rows: 50 + 1.5, rounded up. The
/// field rows need less: images, the field, its inverse and one image.
constexpr std::uint64_t kHostBytesPerVoxel = 52;
/// In a GPU's memory the same are 28 + 1.5; LNCC's rings of planes come on top.
constexpr double kDeviceBytesPerVoxel = 29.5;
constexpr std::uint64_t kProgramBytes = std::uint64_t{64} << 20U;
/// A GPU run's program, driver and transfer buffers.
constexpr std::uint64_t kDriverBytes = std::uint64_t{512} << 20U;

void require(std::int64_t value, std::int64_t low, std::int64_t high, const std::string& option,
             const std::string& what) {
  if (value >= low && value <= high) return;
  throw Error(ErrorCode::usage,
              option + " takes between " + std::to_string(low) + " and " + std::to_string(high) +
                  " " + what + ", not " + std::to_string(value) + ".",
              option);
}

void require_memory(std::uint64_t needed, std::uint64_t available, const std::string& whose) {
  if (needed <= available) return;
  throw Error(ErrorCode::does_not_fit,
              "The benchmark needs " + std::to_string(needed >> 20U) + " MiB of memory" + whose +
                  ", but only " + std::to_string(available >> 20U) +
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

MemoryNeed memory_needed(const Spec& spec, const std::string& device, int ranks) {
  const auto voxels = static_cast<std::uint64_t>(spec.size[0] * spec.size[1] * spec.size[2]);
  const auto parts = static_cast<std::uint64_t>(ranks);
  if (!solve::is_gpu(device))  // each rank makes both images, and holds its part of the rest
    return {std::max(voxels * kHostBytesPerVoxel / parts, kCopyBytes / parts) +
                (ranks > 1 ? voxels * 4 : 0) + kProgramBytes,
            0};
  const auto n = static_cast<double>(voxels);
  const auto plane = static_cast<double>(spec.size[0] * spec.size[1]);
  const double ring = std::min(12 * n, 3e8 + 12 * 64 * plane);
  const bool shared = static_cast<std::int64_t>(voxels) >= ops::kSmallVolume;
  const double gpus = ranks > 1 ? ranks
                      : shared  ? static_cast<double>(solve::device_numbers(device).size())
                                : 1.0;
  const auto largest = static_cast<std::uint64_t>(n * kDeviceBytesPerVoxel / gpus + ring);
  return {voxels * 4 + kDriverBytes, std::max(largest, kCopyBytes) + kProgramBytes};
}

namespace {
/// The back end that is measured.
struct Subject {
  std::shared_ptr<solve::RankDevices> ranks;
  std::unique_ptr<ops::Backend> alone;
  ops::Backend& backend() const { return ranks != nullptr ? *ranks->backend : *alone; }
};

/// Throws Error{does_not_fit} where it does not.
Subject subject_of(const Spec& spec, const std::string& device) {
  if (spec.ranks == nullptr) {
    const MemoryNeed need = memory_needed(spec, device);
    require_memory(need.host_bytes, available_memory_bytes(), "");
    for (const DeviceInfo& gpu : solve::gpus_of(device))
      require_memory(need.device_bytes, gpu.free_bytes, " on " + gpu.id);
    return {nullptr, solve::make_backend(device, 0)};
  }
  const MemoryNeed need = memory_needed(spec, device, spec.ranks->size());
  for (const solve::RankDevice& rank : solve::rank_devices(device, *spec.ranks, 0))
    require_memory(solve::is_gpu(device) ? need.device_bytes : need.host_bytes,
                   static_cast<std::uint64_t>(rank.available_bytes), " on " + rank.name);
  return {solve::make_rank_devices(device, *spec.ranks, 0), nullptr};
}
}  // namespace

Report run(const Spec& spec, const std::function<void(const Report&)>& on_start,
           const std::function<void(const Row&)>& on_row) {
  validate(spec);
  Report report;
  report.size = spec.size;
  report.device = spec.ranks != nullptr ? solve::chosen_rank_device(spec.device, *spec.ranks)
                                        : solve::chosen_device(spec.device);
  report.repeats = spec.repeats;
  const Subject subject = subject_of(spec, report.device);
  ops::Backend* const backend = &subject.backend();
  const int most = available_threads();
  report.threads = spec.threads > 0 ? std::min(spec.threads, most) : most;
  with_threads(report.threads, [&] {
    report.copy_gb_per_s = copy_bandwidth(*backend, spec.repeats) * 1e-9;
    if (on_start) on_start(report);
    Stopwatch stopwatch(report, on_row, *backend);
    const Problem problem(spec.size);
    measure_solver_operations(problem, spec, *backend, stopwatch);
    if (backend->on_host()) {
      measure_field_operations(problem, stopwatch);
      report.note =
          "The peak of memory is not measured on the CPU; what the arrays of an operation take "
          "(state) is counted.";
    } else {
      report.note =
          "Operations on whole fields in mm (apply, Jacobian, invert) run on the CPU; --device cpu "
          "measures them.";
    }
  });
  report.peak_resident_bytes = peak_resident_bytes();
  note_peak(report, *backend);
  return report;
}

}  // namespace gigawarp::bench

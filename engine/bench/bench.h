#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gigawarp/grid.h"
#include "gigawarp/job.h"

/// How fast each operation of a backend is, and how far from what the memory allows. The data are
/// made up: a deterministic u16 pair on one grid and a smooth displacement.
namespace gigawarp::shard {
class Communicator;
}

namespace gigawarp::bench {

struct Spec {
  Size3 size{128, 128, 128};   ///< voxels of both images, 16 to 65536 per axis
  std::string device = "cpu";  ///< as of a job: "cpu", "cuda:1", "cuda:0,1", "auto"
  /// Of "mpi": the processes, all of which call run(); the rows of each are the same.
  shard::Communicator* ranks = nullptr;
  int threads = 0;  ///< CPU; 0: all
  int repeats = 5;  ///< timed, after one that is not
  std::vector<MetricKind> metrics{MetricKind::lncc, MetricKind::mi, MetricKind::mse};
  std::vector<int> radii{2, 3, 5};  ///< LNCC, voxels; a full iteration uses the first
  std::vector<int> bins{32, 64};    ///< MI, per axis; a full iteration uses the first
};

/// One operation. Voxels are those of the full grid, also where an operation has a coarse side.
struct Row {
  std::string operation;
  double milliseconds = 0;          ///< median of the repeats
  double fastest_milliseconds = 0;  ///< least of the repeats
  double ns_per_voxel = 0;          ///< from the median
  double bytes_per_voxel = 0;       ///< that must move: each input once, each output once
  double gb_per_s = 0;       ///< bytes that must move over the median, 10⁹ bytes per second
  double copy_fraction = 0;  ///< gb_per_s over the copy's
  double state_bytes_per_voxel = 0;  ///< arrays that exist while it runs: inputs, outputs, state
  /// Most of a device's memory that was allocated during the row's calls, what the benchmark and
  /// earlier rows keep there included; nothing on the CPU, where nobody counts.
  std::optional<double> peak_bytes_per_voxel;
  /// Several devices: how long each waited for the slowest and, in an iteration, for what lies
  /// between its operations (GPUs by their own clocks). Their mean, and of the repeats the median:
  /// no longer than the operation takes.
  double waiting_milliseconds = 0;
  /// Ranks: how long messages of each travelled, whether it waited for them or computed meanwhile,
  /// and the bytes that it received; likewise.
  double communication_milliseconds = 0, received_bytes = 0;
};

struct Report {
  Size3 size{0, 0, 0};
  std::string device;  ///< that it ran on
  int threads = 0;
  int repeats = 0;
  double copy_gb_per_s = 0;  ///< large copy within that memory, bytes read plus written
  std::uint64_t peak_resident_bytes = 0;  ///< of the process, at the end
  /// Of a device's memory, in the whole run, the copy included; nothing on the CPU: 0.
  std::uint64_t device_peak_bytes = 0;
  std::vector<Row> rows;
  std::string note;  ///< one sentence about what was left out
};

/// Throws Error{usage} with the first value that makes no sense.
void validate(const Spec& spec);

/// Bytes the run takes at its peak: of the host's memory, whole process, and of each GPU's.
struct MemoryNeed {
  std::uint64_t host_bytes = 0, device_bytes = 0;
};
/// `device` as chosen: not "auto". Of `ranks`: of each.
MemoryNeed memory_needed(const Spec& spec, const std::string& device, int ranks = 1);

/// Validates, checks the memory, then measures; `on_row` (may be empty) sees every row as soon as
/// it is there, after `on_start` saw the report without rows. Throws Error{does_not_fit} before
/// anything large is allocated and Error{device_fault} for a device that cannot be used.
Report run(const Spec& spec, const std::function<void(const Report&)>& on_start = {},
           const std::function<void(const Row&)>& on_row = {});

}  // namespace gigawarp::bench

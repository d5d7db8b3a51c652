#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "ops/backend.h"
#include "ops/grid_steps.h"
#include "ops/rank_parts.h"

/// What a grid of devices is made of. One registration runs on all of them: make_grid_backend().
namespace gigawarp::ops {

/// Memory that every member of a grid addresses alike, whoever holds it: operations read their
/// halos, and the moving volume wherever it takes them, without copies.
class GlobalMemory {
 public:
  virtual ~GlobalMemory() = default;
  /// Borders between members' shares are multiples of this, bytes.
  virtual std::size_t granularity() const = 0;
  /// Bytes [borders[i], borders[i + 1]) lie with member i. Zero-filled. Counts as that member's
  /// memory. Throws Error{does_not_fit}.
  virtual Array allocate(const std::vector<std::size_t>& borders) = 0;
};

/// Voxels below which a volume is worth one GPU alone: the others would take longer to start than
/// to finish (tests/bench/RESULTS.md).
inline constexpr std::int64_t kSmallVolume = std::int64_t{8} << 20;

/// Keeps the members' work in order without the host's waiting for it.
class MemberOrder {
 public:
  virtual ~MemberOrder() = default;
  /// Before a step, by one thread; then, by one thread each, begin() and end() of the members that
  /// take part: all, or any one.
  virtual void next_step() = 0;
  /// What the member is asked for from now on begins when the step before has ended on those that
  /// took part in it.
  virtual void begin(std::size_t member) = 0;
  /// The step ends for the member with what it has been asked for so far.
  virtual void end(std::size_t member) = 0;
};

struct GridMembers {
  std::vector<std::unique_ptr<Backend>> backends;
  std::vector<std::string> names;  ///< "cuda:1"
  std::vector<double> shares;      ///< of the planes and of the memory, adding up to one
  std::unique_ptr<GlobalMemory> memory;
  std::unique_ptr<MemberOrder> order;              ///< null: members are waited for
  std::unique_ptr<GridSteps> steps;                ///< null: iterations go operation by operation
  std::vector<std::unique_ptr<WorkClock>> clocks;  ///< of each where the host only queues, or none
  /// Volumes below this many voxels lie with the first member, which works on them alone.
  std::int64_t small_voxels = 0;
};

/// Turns amounts of memory into shares: in proportion, but even where they differ by less than a
/// tenth, which says more of other programs than of the devices.
inline void even_out(std::vector<double>& shares) {
  const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
  if (*least > 0.9 * *most) std::fill(shares.begin(), shares.end(), 1.0);
  const double all = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share /= all;
}

/// GPUs by their CUDA numbers, the same one several times in tests, which must reach one another's
/// memory; shares in proportion to their free memory, or to `memory_bytes` where that is less.
/// Throws Error{device_fault} with the reason. Definition: cuda/, or stub/ in builds without CUDA.
GridMembers make_cuda_members(const std::vector<int>& devices, std::uint64_t memory_bytes);

/// `count` slabs on the CPU, one after another on its threads: the same code without GPUs, for
/// tests. Definition: shard/.
GridMembers make_host_members(int count);

/// One back end of several, to the bits of one: every operation is cut in slabs of planes, one per
/// member, and the next begins when all have ended. Definition: shard/.
std::unique_ptr<Backend> make_grid_backend(GridMembers members);

}  // namespace gigawarp::ops

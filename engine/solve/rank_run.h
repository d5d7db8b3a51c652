#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "shard/communicator.h"
#include "solve/device_choice.h"
#include "solve/registration.h"

/// A registration over several processes: each runs the same stages on a back end of its own
/// (shard/rank_backend.h), and rank 0 collects what comes out.
namespace gigawarp::solve {

/// The processor of one rank.
struct RankDevice {
  std::string name;         ///< "rank 2 (cuda:0)"
  double memory_bytes = 1;  ///< that it may use; of CPUs without a budget alike
  /// Free of its GPU's memory, or its part, among the ranks there, of what its host has; no more
  /// than its budget.
  double available_bytes = 0;
  int host = 0;               ///< its host, by the lowest rank there
  double host_available = 0;  ///< of the host's memory
};

/// Which of the GPUs that a process sees, by CUDA number, the rank of this number on its host
/// takes: the one of that number, or the only one, where Slurm gives each process a GPU of its own.
constexpr int gpu_number(int rank_of_host, int seen) { return seen == 1 ? 0 : rank_of_host; }
/// The first rank that has no GPU of its own by its identity (ops::gpu_identity()): none, or one
/// that a rank before it has. As many as there are ranks if all have one.
std::size_t first_without_gpu(const std::vector<std::string>& identities);

/// What "mpi", "mpi:cpu" and "mpi:cuda" stand for on these ranks: "mpi:cuda" (GPU i of the host for
/// rank i of the host, gpu_number()) or "mpi:cpu"; "mpi" is the GPUs where every rank has one, and
/// the CPU where none has, for a reason that each rank gives for itself. Called by all ranks;
/// throws the same Error{device_fault} on all.
DeviceChoice choose_rank_device(const std::string& device, shard::Communicator& communicator);
/// The same without the reason.
std::string chosen_rank_device(const std::string& device, shard::Communicator& communicator);
/// In the order of ranks. Called by all ranks.
std::vector<RankDevice> rank_devices(const std::string& chosen, shard::Communicator& communicator,
                                     std::uint64_t memory_bytes);

/// A rank's back end and what it needs; together made by all ranks.
struct RankDevices {
  std::unique_ptr<shard::Exchange> exchange;
  std::unique_ptr<ops::Backend> backend;
};
std::shared_ptr<RankDevices> make_rank_devices(const std::string& chosen,
                                               shard::Communicator& communicator,
                                               std::uint64_t memory_bytes);

/// register_volumes() by all ranks alike; `job.device` is a chosen one. Progress, previews and
/// checkpoints are rank 0's, and so are the fields of the result; those of other ranks are absent.
/// With leave_fields, rank 0 reads planes of them from the others, which stay here until it calls
/// RegistrationOutput::release.
RegistrationOutput register_on_ranks(const RegistrationInput& input, const JobSpec& job,
                                     const RunControl& control, shard::Communicator& communicator);

/// Rank 0's checkpoints, in which all ranks take part: arrays pass through rank 0 piece by piece.
/// `own` is looked at there alone.
class RankStore final : public CheckpointStore {
 public:
  RankStore(shard::Communicator& communicator, CheckpointStore* own)
      : communicator_(communicator), own_(communicator.is_root() ? own : nullptr) {}
  bool due() override { return own_ != nullptr && own_->due(); }
  void save(const Position& position, std::span<const ArrayRef> arrays) override;
  std::optional<Position> position() override;
  void load(const std::string& name, std::size_t bytes, const ArraySink& sink) override;

 private:
  shard::Communicator& communicator_;
  CheckpointStore* own_;
};

}  // namespace gigawarp::solve

#pragma once
#include <memory>
#include <string>
#include <vector>

#include "gigawarp/job.h"
#include "solve/forecast.h"
#include "solve/rank_run.h"

namespace gigawarp::job {

struct RunOptions;
struct RunResult;

/// True for the devices of runs over several processes: "mpi", "mpi:cpu", "mpi:cuda".
bool is_for_ranks(const std::string& device);

/// This process among those that mpirun or Slurm started together. Rank 0 plans, writes and speaks;
/// the others read their planes of the images, take part in the solver, send rank 0 what it writes,
/// and are silent.
class Ranks {
 public:
  /// Joins them; once per process. Throws Error{usage} in builds without MPI.
  Ranks();
  /// For tests: ranks that are threads. `communicator` must outlive it.
  explicit Ranks(shard::Communicator& communicator) : communicator_(&communicator) {}
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  bool is_first() const { return communicator_->is_root(); }
  /// Ends what the others wait for, with this sentence.
  void fail(const Error& error) const;
  shard::Communicator& communicator() const { return *communicator_; }

 private:
  std::unique_ptr<shard::Communicator> own_;
  shard::Communicator* communicator_;
};

/// What rank 0 says before the images are read: whether the run was complete already, and how the
/// images are read.
struct Announcement {
  bool nothing_to_do = false;
  solve::Streaming streamed, levels;
};
void announce(shard::Communicator& communicator, Announcement announcement);

/// run_job() of all ranks but the first.
RunResult take_part(const JobSpec& job, const RunOptions& options);

}  // namespace gigawarp::job

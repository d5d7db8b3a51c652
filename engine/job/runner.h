#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "gigawarp/job.h"
#include "gigawarp/progress.h"
#include "job/measures.h"
#include "job/plan.h"
#include "job/ranks.h"
#include "job/run_switch.h"
#include "solve/registration.h"

namespace gigawarp::job {

struct RunOptions {
  bool overwrite = false;  ///< replace what an earlier run left in the output directory
  bool resume = false;     ///< continue an unfinished run there, or start when there is none
  ProgressSink* progress = nullptr;  ///< called on the thread of run_job()
  RunSwitch* control = nullptr;      ///< pause, resume, cancel, checkpoint from another thread
  double checkpoint_interval_s = 60;
  std::string command_line;  ///< for the provenance
  Ranks* ranks = nullptr;    ///< of a job whose device is "mpi": all of them call run_job()
};

struct RunResult {
  std::filesystem::path folder;
  std::vector<std::string> files;  ///< names in `folder`
  Measures measures;
  std::vector<solve::LevelReport> levels;
  std::vector<std::string> warnings;
  std::vector<std::string> notes;
  std::map<std::string, double> seconds;  ///< by phase: "load", "register", "write", "total"
  std::uint64_t peak_memory_bytes = 0;
  bool fixed_mask_chosen = false;  ///< the fixed image's non-zero voxels, though the job names none
  bool was_complete = false;  ///< resume found a finished run of this very job; nothing was done
};

/// Runs a job and fills its output directory: 0GenericAffine.mat, 1Warp and 1InverseWarp, warped,
/// warped_labels, fixed_labels_on_moving, job.json, result.json, log.txt, events.jsonl. Paths of
/// the job are made absolute. Blocks until done. Throws Error; after Error{cancelled} and after a
/// crash a checkpoint is left if one was reached, otherwise nothing is.
RunResult run_job(JobSpec job, const RunOptions& options);

/// Digest of the settings that decide the result: not of paths, threads, memory, labels or what is
/// written.
std::string job_digest(const JobSpec& job);

}  // namespace gigawarp::job

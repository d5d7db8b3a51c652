#pragma once
#include <cstdint>
#include <string>

#include "gigawarp/job.h"
#include "solve/forecast.h"

namespace gigawarp::job {

class Ranks;

/// One GPU's part of a run, or one rank's.
struct GpuPlan {
  std::string id;                           ///< "cuda:1", "rank 1 (cpu)"
  std::int64_t z_begin = 0, z_end = 0;      ///< planes of the fixed volume
  std::uint64_t needed = 0, available = 0;  ///< bytes of its memory
  int host = 0;                             ///< of a rank: its host, by the lowest rank there
};

/// What a run will need and what there is, from the headers alone.
struct Plan {
  std::string device;  ///< "cpu", "cuda:0", "cuda:0,1" or "mpi:cuda": what the job's came to
  std::string note;    ///< why "auto" or "mpi" took no GPU; empty when it did
  bool passed_over_a_gpu = false;  ///< one that could be used: the run does not fit there
  int threads = 1;
  Grid fixed, moving;
  int channels = 1;
  solve::Streaming streamed;  ///< images that are read as they are needed
  /// Images that could be read so if their files allowed it, and of which, then, coarse levels of
  /// their files may be taken.
  solve::Streaming levels;
  solve::MemoryForecast forecast;
  /// Where memory does not suffice, the end of a sentence: the options with which it does, or what
  /// is needed at least.
  std::string way_out;
  /// Bytes, whole process at its peak; of ranks, all those of the host where memory is shortest.
  std::uint64_t memory_needed = 0;
  std::uint64_t memory_available = 0;
  std::uint64_t memory_budget =
      0;                      ///< of the job; 0: none. Of each GPU's memory when it runs on them
  std::vector<GpuPlan> gpus;  ///< none on the CPU, but every rank where there are several
  std::uint64_t disk_needed = 0;  ///< bytes in the output directory: results and one checkpoint
  std::uint64_t disk_free = 0;
  std::string disk;  ///< the existing folder whose file system counts
};

/// Throws Error{device_fault} with the reason when a device ("auto", "cpu", "cuda:0") cannot be
/// used.
void require_usable_device(const std::string& device);

/// Reads the headers of the job's images. Throws Error{bad_input} and Error{device_fault}.
/// `ranks`: of jobs for several processes, which all call it.
Plan make_plan(const JobSpec& job, const Ranks* ranks = nullptr);
/// One sentence with the numbers for the first thing that does not fit; empty when all does.
std::string misfit(const Plan& plan);
std::string to_json(const Plan& plan);
/// "cuda:0 takes planes 0 to 640, cuda:1 640 to 1280."; empty without GPUs.
std::string slabs_text(const Plan& plan);

}  // namespace gigawarp::job

#pragma once
#include <cstdint>
#include <string>

#include "gigawarp/job.h"
#include "solve/registration.h"

namespace gigawarp::job {

/// What a run will need and what there is, from the headers alone.
struct Plan {
  std::string device;  ///< "cpu" or "cuda:0": what the job's "auto" came to
  std::string note;    ///< one sentence when "auto" had a reason to pass over a GPU
  int threads = 1;
  Grid fixed, moving;
  int channels = 1;
  solve::MemoryForecast forecast;
  std::uint64_t memory_needed = 0;  ///< bytes, whole process at its peak
  std::uint64_t memory_available = 0;
  std::uint64_t memory_budget =
      0;  ///< of the job; 0: none. Of the GPU's memory when it runs on one
  std::uint64_t gpu_needed = 0, gpu_available = 0;  ///< bytes
  std::uint64_t disk_needed = 0;  ///< bytes in the output directory: results and one checkpoint
  std::uint64_t disk_free = 0;
  std::string disk;  ///< the existing folder whose file system counts
};

/// Throws Error{device_fault} with the reason when a device ("auto", "cpu", "cuda:0") cannot be
/// used.
void require_usable_device(const std::string& device);

/// Reads the headers of the job's images. Throws Error{bad_input} and Error{device_fault}.
Plan make_plan(const JobSpec& job);
/// One sentence with the numbers for the first thing that does not fit; empty when all does.
std::string misfit(const Plan& plan);
std::string to_json(const Plan& plan);

}  // namespace gigawarp::job

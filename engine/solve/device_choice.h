#pragma once
#include <memory>
#include <string>
#include <vector>

#include "gigawarp/device.h"
#include "ops/backend.h"

namespace gigawarp::solve {

/// "cuda:1" and "cuda:0,1" rather than "cpu" and "cpu:3".
bool is_gpu(const std::string& device);
/// "mpi", "mpi:cpu", "mpi:cuda": processes that were started together (solve/rank_run.h).
bool is_ranks(const std::string& device);
/// The numbers after the colon: {0, 1} of "cuda:0,1"; empty without.
std::vector<int> device_numbers(const std::string& device);
/// What each of those GPUs gets of a volume; free memory counts, or `memory_bytes` where that is
/// less.
std::vector<double> memory_shares(const std::vector<DeviceInfo>& gpus, std::uint64_t memory_bytes);
/// The GPUs of a chosen device, in its order.
std::vector<DeviceInfo> gpus_of(const std::string& chosen);
/// A device of this machine, and what kept GPUs out where they would have been taken.
struct DeviceChoice {
  std::string device;
  std::string why_no_gpu;  ///< whole sentences; empty unless "auto" or "mpi" came to the CPU
};
/// The device that `device` ("auto", "cpu", "cuda:1", "cuda:0,1", "cuda:all") stands for on this
/// machine: "auto" is the usable GPU with most free memory, or the CPU where there is none;
/// "cuda:all" names the usable ones. "cpu:3" is the CPU in three slabs, as the tests of several
/// devices take it. Throws Error{device_fault} with the reason when the one asked for cannot be
/// used.
DeviceChoice choose_device(const std::string& device);
/// The same without the reason.
std::string chosen_device(const std::string& device);
/// The back end of a chosen device. `memory_bytes`: budget of each GPU's memory, 0 for what is
/// free.
std::unique_ptr<ops::Backend> make_backend(const std::string& chosen, std::uint64_t memory_bytes);

}  // namespace gigawarp::solve

#pragma once
#include <memory>
#include <string>

#include "gigawarp/device.h"
#include "ops/backend.h"

namespace gigawarp::solve {

/// "cuda:1" and "cuda:0,1" rather than "cpu" and "cpu:3".
bool is_gpu(const std::string& device);
/// The numbers after the colon: {0, 1} of "cuda:0,1"; empty without.
std::vector<int> device_numbers(const std::string& device);
/// The device that `device` ("auto", "cpu", "cuda:1") stands for on this machine: "auto" is the
/// usable GPU with most free memory, or the CPU where there is none. Throws Error{device_fault}
/// with the reason when the one asked for cannot be used.
std::string chosen_device(const std::string& device);
/// What the GPU of that id says of itself; `usable` is false where there is none.
DeviceInfo gpu_info(const std::string& id);
/// The back end of a chosen device. `memory_bytes`: budget of a GPU's memory, 0 for what is free.
std::unique_ptr<ops::Backend> make_backend(const std::string& chosen, std::uint64_t memory_bytes);

}  // namespace gigawarp::solve

#include "solve/device_choice.h"

#include "gigawarp/error.h"

namespace gigawarp::solve {

std::string chosen_device(const std::string& device) {
  if (device == "cpu") return device;
  const std::vector<DeviceInfo> gpus = ops::list_gpus();
  if (device == "auto") {
    const DeviceInfo* best = nullptr;
    for (const DeviceInfo& gpu : gpus)
      if (gpu.usable && (best == nullptr || gpu.free_bytes > best->free_bytes)) best = &gpu;
    return best != nullptr ? best->id : "cpu";
  }
  std::string reason = "there is no GPU of that number";
  if (device.find(',') != std::string::npos)
    reason = "one registration runs on one GPU in this version";
  for (const DeviceInfo& gpu : gpus) {
    if (gpu.id == device && gpu.usable) return device;
    if ((gpu.id == device || gpu.id == "cuda") && !gpu.why_not.empty()) reason = gpu.why_not;
  }
  if (reason.back() == '.') reason.pop_back();
  throw Error(
      ErrorCode::device_fault,
      "Device \"" + device + "\" cannot be used: " + reason + "; choose --device cpu or auto.",
      device);
}

DeviceInfo gpu_info(const std::string& id) {
  for (const DeviceInfo& gpu : ops::list_gpus())
    if (gpu.id == id) return gpu;
  return {};
}

std::unique_ptr<ops::Backend> make_backend(const std::string& chosen, std::uint64_t memory_bytes) {
  if (chosen == "cpu") return ops::make_cpu_backend();
  return ops::make_cuda_backend(std::stoi(chosen.substr(chosen.find(':') + 1)), memory_bytes);
}

}  // namespace gigawarp::solve

#include <cuda_runtime_api.h>

#include <algorithm>

#include "cuda/devices.h"
#include "cuda/no_gpu.h"

namespace gigawarp::cuda {

namespace {
int compute_mode(int device) {
  int mode = cudaComputeModeDefault;
  cudaDeviceGetAttribute(&mode, cudaDevAttrComputeMode, device);
  return mode;
}

/// Free memory, which takes a context: a card that another program keeps for itself says so here.
void ask_free_memory(int device, DeviceInfo& info) {
  int before = 0;
  cudaGetDevice(&before);
  std::size_t free = 0, total = 0;
  cudaError_t status = cudaSetDevice(device);
  if (status == cudaSuccess) status = cudaMemGetInfo(&free, &total);
  cudaSetDevice(before);
  if (status == cudaSuccess)
    info.free_bytes = free;
  else
    cudaGetLastError();
  info.why_not = why_not_memory(status, free);
  info.usable = info.why_not.empty();
}

}  // namespace

std::vector<DeviceInfo> list_devices(const std::vector<int>& asked) {
  std::vector<DeviceInfo> devices;
  int count = 0, driver = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  cudaDriverGetVersion(&driver);
  if (status != cudaSuccess || count == 0) {
    cudaGetLastError();
    DeviceInfo none;
    none.id = "cuda";
    none.name = "NVIDIA GPU";
    none.why_not = why_no_gpu(status, driver);
    devices.push_back(none);
    return devices;
  }
  for (int i = 0; i < count; ++i) {
    DeviceInfo info;
    info.id = "cuda:" + std::to_string(i);
    info.driver = version_text(driver);
    cudaDeviceProp properties{};
    if (const cudaError_t answer = cudaGetDeviceProperties(&properties, i); answer != cudaSuccess) {
      cudaGetLastError();
      info.name = "NVIDIA GPU";
      info.why_not = std::string("The driver does not answer for this GPU (") +
                     cudaGetErrorString(answer) + "); nvidia-smi may say more.";
      devices.push_back(info);
      continue;
    }
    info.name = properties.name;
    info.compute_capability = properties.major * 10 + properties.minor;
    info.memory_bytes = properties.totalGlobalMem;
    info.why_not = why_not_card(properties.major, properties.minor, compute_mode(i));
    if (info.why_not.empty()) {
      if (!asked.empty() && std::find(asked.begin(), asked.end(), i) == asked.end())
        info.why_not = "It was not looked at.";
      else
        ask_free_memory(i, info);
    }
    devices.push_back(info);
  }
  return devices;
}

}  // namespace gigawarp::cuda

#include "cuda/devices.h"

namespace gigawarp::cuda {

std::vector<DeviceInfo> list_devices(const std::vector<int>& /*asked*/) {
  DeviceInfo none;
  none.id = "cuda";
  none.name = "NVIDIA GPU";
  none.why_not = "This build of Gigawarp was made without CUDA.";
  return {none};
}

}  // namespace gigawarp::cuda

#pragma once
#include <vector>

#include "gigawarp/device.h"

namespace gigawarp::cuda {

/// Every CUDA device seen, or one unusable entry that says why there is none. Never throws on a
/// machine without a GPU or driver. `asked`: see ops::list_gpus().
std::vector<DeviceInfo> list_devices(const std::vector<int>& asked = {});

}  // namespace gigawarp::cuda

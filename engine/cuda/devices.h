#pragma once
#include <vector>

#include "gigawarp/device.h"

namespace gigawarp::cuda {

/// Every CUDA device seen, or one unusable entry that says why there is none. Never throws on a
/// machine without a GPU or driver.
std::vector<DeviceInfo> list_devices();

}  // namespace gigawarp::cuda

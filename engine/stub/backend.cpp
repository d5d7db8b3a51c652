#include "cuda/devices.h"
#include "gigawarp/error.h"
#include "ops/grid_members.h"
#include "ops/rank_parts.h"

namespace gigawarp::ops {

std::vector<DeviceInfo> list_gpus(const std::vector<int>& asked) {
  return cuda::list_devices(asked);
}

std::unique_ptr<Backend> make_cuda_backend(int device, std::uint64_t /*memory_bytes*/) {
  throw Error(ErrorCode::device_fault,
              "This build of Gigawarp was made without CUDA; choose --device cpu.",
              "cuda:" + std::to_string(device));
}

GridMembers make_cuda_members(const std::vector<int>& devices, std::uint64_t memory_bytes) {
  make_cuda_backend(devices.empty() ? 0 : devices.front(), memory_bytes);  // throws
  return {};
}

std::string gpu_identity(int /*device*/) { return {}; }

RankParts make_cuda_rank(int device, std::uint64_t memory_bytes) {
  make_cuda_backend(device, memory_bytes);  // throws
  return {};
}

}  // namespace gigawarp::ops

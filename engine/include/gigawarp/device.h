#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace gigawarp {

/// One processor that can run a registration, or the reason why it cannot.
struct DeviceInfo {
  std::string id;    ///< "cpu", "cuda:0"
  std::string name;  ///< as the vendor calls it
  bool usable = false;
  std::string why_not;  ///< one sentence when not usable
  std::uint64_t memory_bytes = 0;
  std::uint64_t free_bytes = 0;
  int threads = 0;              ///< CPU
  int compute_capability = 0;   ///< CUDA: 90 for 9.0
  std::string driver;           ///< CUDA driver version
  std::string instruction_set;  ///< CPU: "x86-64-v4", "x86-64-v3" or "x86-64"
};

/// The CPU alone; cheap, and asks no driver.
DeviceInfo cpu_device();
/// The CPU first, then every CUDA device seen; a build or machine without CUDA yields one unusable
/// entry "cuda" with the reason. Makes a CUDA context on every card to learn how much of its memory
/// is free: slow the first time, and some hundred MiB of each card for as long as the process
/// lives.
std::vector<DeviceInfo> list_devices();

}  // namespace gigawarp

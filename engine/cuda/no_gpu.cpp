#include "cuda/no_gpu.h"

namespace gigawarp::cuda {
namespace {

/// The runtime has one answer for a driver that is too old and for none.
std::string why_insufficient(int driver, int toolkit) {
  const std::string needed = version_text(toolkit);
  if (driver == 0)
    return "No NVIDIA driver was found on this machine (libcuda.so.1); to use a GPU, install one "
           "for CUDA " +
           needed + " or later.";
  return "The NVIDIA driver is too old: it supports CUDA " + version_text(driver) +
         ", and this program was built with CUDA " + needed + "; install a newer driver.";
}

/// What the user can do about it.
const char* remedy(cudaError_t answer) {
  switch (answer) {
    case cudaErrorSystemNotReady:
      return "start the driver's services (nvidia-fabricmanager where GPUs are joined by NVSwitch) "
             "and try again";
    case cudaErrorSystemDriverMismatch:
      return "the driver's library and its kernel module differ: restart the machine after an "
             "update of the driver";
    case cudaErrorCompatNotSupportedOnDevice:
      return "take the CUDA compatibility library out of LD_LIBRARY_PATH, or install a newer "
             "driver";
    case cudaErrorNotPermitted:
    case cudaErrorOperatingSystem: return "ask for access to the devices /dev/nvidia*";
    case cudaErrorStubLibrary:
      return "take the folder of CUDA's stub libraries out of LD_LIBRARY_PATH";
    case cudaErrorDevicesUnavailable: return "another program may keep them for itself";
    default: return "nvidia-smi or the system's log may say more";
  }
}

}  // namespace

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string why_no_gpu(cudaError_t answer, int driver, int toolkit) {
  if (answer == cudaSuccess || answer == cudaErrorNoDevice)
    return "No NVIDIA GPU was found on this machine.";
  if (answer == cudaErrorInsufficientDriver) return why_insufficient(driver, toolkit);
  return std::string("CUDA does not give access to NVIDIA GPUs (") + cudaGetErrorString(answer) +
         "); " + remedy(answer) + ".";
}

std::string why_not_card(int major, int minor, int compute_mode) {
  constexpr int kOldestMajor = 8;
  if (major < kOldestMajor)
    return "Its compute capability " + std::to_string(major) + "." + std::to_string(minor) +
           " is older than 8.0.";
  if (compute_mode == cudaComputeModeProhibited)
    return "Its compute mode forbids programs to use it.";
  return {};
}

std::string why_not_memory(cudaError_t answer, std::size_t free_bytes) {
  constexpr std::size_t kFewestFreeBytes = std::size_t{512} << 20U;
  if (answer != cudaSuccess)
    return std::string("It cannot be used now (") + cudaGetErrorString(answer) +
           "); another program may keep it for itself.";
  if (free_bytes < kFewestFreeBytes)
    return "Only " + std::to_string(free_bytes >> 20U) +
           " MiB of its memory are free; other programs use the rest.";
  return {};
}

}  // namespace gigawarp::cuda

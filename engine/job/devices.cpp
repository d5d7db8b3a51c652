#include <fstream>
#include <string>
#include <thread>

#include "base/parallel.h"
#include "cuda/devices.h"
#include "gigawarp/device.h"

namespace gigawarp {

namespace {

std::string cpu_name() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

std::string instruction_set() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return "x86-64-v4";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
    return "x86-64-v3";
  return "x86-64";
#else
  return "generic";
#endif
}

std::uint64_t total_memory_bytes() {
  std::ifstream meminfo("/proc/meminfo");
  std::string key, unit;
  std::uint64_t kib = 0;
  while (meminfo >> key >> kib >> unit)
    if (key == "MemTotal:") return kib * 1024;
  return 0;
}

}  // namespace

DeviceInfo cpu_device() {
  DeviceInfo cpu;
  cpu.id = "cpu";
  cpu.name = cpu_name();
  cpu.usable = true;
  cpu.memory_bytes = total_memory_bytes();
  cpu.free_bytes = available_memory_bytes();
  cpu.threads = available_threads();
  cpu.instruction_set = instruction_set();
  return cpu;
}

std::vector<DeviceInfo> list_devices() {
  std::vector<DeviceInfo> devices{cpu_device()};
  for (DeviceInfo& device : cuda::list_devices()) devices.push_back(std::move(device));
  return devices;
}

}  // namespace gigawarp

#include "solve/device_choice.h"

#include <algorithm>
#include <sstream>

#include "gigawarp/error.h"
#include "ops/grid_members.h"

namespace gigawarp::solve {
namespace {

constexpr int kMostHostSlabs = 64;

[[noreturn]] void refuse(const std::string& device, std::string reason) {
  if (reason.back() == '.') reason.pop_back();
  throw Error(
      ErrorCode::device_fault,
      "Device \"" + device + "\" cannot be used: " + reason + "; choose --device cpu or auto.",
      device);
}

/// Throws unless it is "cpu:" or "cuda:" and numbers.
void require_numbers(const std::string& device) {
  const std::size_t colon = device.find(':');
  const std::string numbers = colon == std::string::npos ? "" : "," + device.substr(colon + 1);
  bool good = (device.starts_with("cpu:") && numbers.find(',', 1) == std::string::npos) ||
              device.starts_with("cuda:");
  good = good && numbers.size() > 1 && numbers.back() != ',' &&
         numbers.find_first_not_of("0123456789,") == std::string::npos &&
         numbers.find(",,") == std::string::npos;
  std::size_t digits = 0;
  for (const char c : numbers) {
    digits = c == ',' ? 0 : digits + 1;
    good = good && digits < 5;
  }
  if (!good) refuse(device, "it is neither auto, cpu, cuda:0, cuda:0,1 nor cuda:all");
}

/// Throws unless GPU `id`, one of `device`, can be used.
void require_usable(const std::string& id, const std::string& device,
                    const std::vector<DeviceInfo>& gpus) {
  std::string reason = "there is no GPU " + id;
  for (const DeviceInfo& gpu : gpus) {
    if (gpu.id == id && gpu.usable) return;
    if ((gpu.id == id || gpu.id == "cuda") && !gpu.why_not.empty()) reason = gpu.why_not;
  }
  refuse(device, reason);
}

DeviceChoice best_gpu_or_cpu(const std::vector<DeviceInfo>& gpus) {
  const DeviceInfo* best = nullptr;
  std::string why_none;
  for (const DeviceInfo& gpu : gpus) {
    if (gpu.usable && (best == nullptr || gpu.free_bytes > best->free_bytes)) best = &gpu;
    const std::string whose = gpu.id == "cuda" ? "" : gpu.id + " cannot be used: ";
    why_none += (why_none.empty() ? "" : " ") + whose + gpu.why_not;
  }
  if (best != nullptr) return {best->id, {}};
  return {"cpu", why_none};
}

/// "cuda:0,1,2,3": the usable ones of all.
std::string all_gpus(const std::vector<DeviceInfo>& gpus) {
  std::string all;
  for (const DeviceInfo& gpu : gpus)
    if (gpu.usable) all += (all.empty() ? "cuda:" : ",") + gpu.id.substr(5);
  if (all.empty()) refuse("cuda:all", gpus.empty() ? "there is no GPU" : gpus.front().why_not);
  return all;
}

}  // namespace

bool is_gpu(const std::string& device) {
  return device.starts_with("cuda") || device == "mpi:cuda";
}

bool is_ranks(const std::string& device) { return device.starts_with("mpi"); }

std::vector<int> device_numbers(const std::string& device) {
  std::vector<int> numbers;
  const std::size_t colon = device.find(':');
  if (colon == std::string::npos) return numbers;
  std::istringstream in(device.substr(colon + 1));
  for (std::string word; std::getline(in, word, ',');) numbers.push_back(std::stoi(word));
  return numbers;
}

std::string chosen_device(const std::string& device) { return choose_device(device).device; }

DeviceChoice choose_device(const std::string& device) {
  if (device == "cpu") return {device, {}};
  if (device != "auto" && device != "cuda:all") require_numbers(device);
  if (device.starts_with("cpu:")) {
    const int slabs = device_numbers(device).front();
    if (slabs < 1 || slabs > kMostHostSlabs)
      refuse(device, "the CPU is cut in 1 to " + std::to_string(kMostHostSlabs) + " slabs");
    return {device, {}};
  }
  if (device == "auto") return best_gpu_or_cpu(ops::list_gpus());
  if (device == "cuda:all") return {all_gpus(ops::list_gpus()), {}};
  std::vector<int> numbers = device_numbers(device);
  const std::vector<DeviceInfo> gpus = ops::list_gpus(numbers);
  for (const int n : numbers) require_usable("cuda:" + std::to_string(n), device, gpus);
  std::sort(numbers.begin(), numbers.end());
  if (std::adjacent_find(numbers.begin(), numbers.end()) != numbers.end())
    refuse(device, "it names a GPU twice");
  return {device, {}};
}

std::vector<DeviceInfo> gpus_of(const std::string& chosen) {
  std::vector<DeviceInfo> found;
  if (!is_gpu(chosen)) return found;
  const std::vector<int> numbers = device_numbers(chosen);
  const std::vector<DeviceInfo> all = ops::list_gpus(numbers);
  for (const int n : numbers)
    for (const DeviceInfo& gpu : all)
      if (gpu.id == "cuda:" + std::to_string(n)) found.push_back(gpu);
  return found;
}

std::vector<double> memory_shares(const std::vector<DeviceInfo>& gpus, std::uint64_t memory_bytes) {
  std::vector<double> shares;
  for (const DeviceInfo& gpu : gpus)
    shares.push_back(static_cast<double>(
        memory_bytes == 0 ? gpu.free_bytes : std::min(memory_bytes, gpu.free_bytes)));
  if (!shares.empty()) ops::even_out(shares);
  return shares;
}

std::unique_ptr<ops::Backend> make_backend(const std::string& chosen, std::uint64_t memory_bytes) {
  const std::vector<int> numbers = device_numbers(chosen);
  if (!is_gpu(chosen))
    return numbers.empty() ? ops::make_cpu_backend()
                           : ops::make_grid_backend(ops::make_host_members(numbers.front()));
  return numbers.size() == 1
             ? ops::make_cuda_backend(numbers.front(), memory_bytes)
             : ops::make_grid_backend(ops::make_cuda_members(numbers, memory_bytes));
}

}  // namespace gigawarp::solve

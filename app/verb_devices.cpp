#include <iomanip>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/verbs.h"
#include "gigawarp/device.h"

namespace gigawarp::app {
namespace {

void print_json(const std::vector<DeviceInfo>& devices) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const DeviceInfo& d : devices)
    list.push_back({{"id", d.id},
                    {"name", d.name},
                    {"usable", d.usable},
                    {"why_not", d.why_not},
                    {"memory_bytes", d.memory_bytes},
                    {"free_bytes", d.free_bytes},
                    {"threads", d.threads},
                    {"compute_capability", d.compute_capability},
                    {"driver", d.driver},
                    {"instruction_set", d.instruction_set}});
  std::cout << list.dump(2) << "\n";
}

void print_table(const std::vector<DeviceInfo>& devices) {
  int gpus = 0;
  std::uint64_t free_bytes = 0;
  for (const DeviceInfo& d : devices) {
    std::cout << std::left << std::setw(8) << d.id << " " << d.name;
    if (!d.usable) {
      std::cout << ": not usable. " << d.why_not << "\n";
      continue;
    }
    std::cout << ", " << (d.free_bytes >> 20) << " of " << (d.memory_bytes >> 20) << " MiB free";
    if (d.threads > 0) std::cout << ", " << d.threads << " threads, " << d.instruction_set;
    if (d.compute_capability > 0)
      std::cout << ", compute capability " << d.compute_capability / 10 << "."
                << d.compute_capability % 10 << ", driver " << d.driver;
    std::cout << "\n";
    if (!d.id.starts_with("cuda")) continue;
    ++gpus;
    free_bytes += d.free_bytes;
  }
  if (gpus > 1)
    std::cout << "cuda:all one registration over these " << gpus << " GPUs, " << (free_bytes >> 20)
              << " MiB free together\n";
}

}  // namespace

void add_devices_verb(CLI::App& app) {
  CLI::App* verb = add_verb(app, "devices", "List the processors a registration can run on",
                            "gigawarp devices --json");
  auto json = std::make_shared<bool>(false);
  verb->add_flag("--json", *json, "Print JSON");
  verb->callback([json] {
    const std::vector<DeviceInfo> devices = list_devices();
    *json ? print_json(devices) : print_table(devices);
  });
}

}  // namespace gigawarp::app

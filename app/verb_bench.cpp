#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/join_ranks.h"
#include "app/verbs.h"
#include "bench/bench.h"
#include "gigawarp/device.h"
#include "gigawarp/error.h"
#include "job/names.h"
#include "job/version.h"

namespace gigawarp::app {
namespace {

struct BenchOptions {
  std::string size = "128", device = "cpu", json;
  std::vector<std::string> metrics;
  bench::Spec spec;
};

Size3 parse_size(const std::string& text) {
  const Vec3 numbers = parse_vec3(text, "--size");
  Size3 size{};
  for (std::size_t a = 0; a < 3; ++a) {
    if (numbers[a] != std::floor(numbers[a]) || std::abs(numbers[a]) > 1e15)
      throw Error(ErrorCode::usage,
                  "--size takes whole numbers of voxels, but \"" + text + "\" was given.",
                  "--size");
    size[a] = static_cast<std::int64_t>(numbers[a]);
  }
  return size;
}

std::vector<MetricKind> parse_metrics(const std::vector<std::string>& names) {
  std::vector<MetricKind> metrics;
  for (const std::string& name : names) {
    const auto metric = job::value_of<MetricKind>(name);
    if (!metric)
      throw Error(ErrorCode::usage, "--metric takes lncc, mi or mse, not \"" + name + "\".",
                  "--metric");
    metrics.push_back(*metric);
  }
  return metrics;
}

void require_device_name(const std::string& name) {
  if (name != "auto" && !name.starts_with("cpu") && !name.starts_with("cuda:") && name != "mpi" &&
      name != "mpi:cpu" && name != "mpi:cuda")
    throw Error(
        ErrorCode::usage,
        "--device takes auto, cpu, cuda:0, cuda:0,1, cuda:all or mpi, not \"" + name + "\".",
        "--device");
}

/// The first, where there are several.
DeviceInfo device_of(const std::string& chosen) {
  const std::string id = chosen == "mpi:cuda" ? "cuda:0"
                         : chosen.starts_with("cpu") || chosen == "mpi:cpu"
                             ? "cpu"
                             : chosen.substr(0, chosen.find(','));
  for (const DeviceInfo& device : list_devices())
    if (device.id == id) return device;
  return {};
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

bool on_cpu(const bench::Report& report) { return report.device.find("cpu") != std::string::npos; }

void print_head(const bench::Report& report, const DeviceInfo& machine) {
  const std::string how =
      on_cpu(report) ? std::to_string(report.threads) + " threads, " + machine.instruction_set
                     : report.device + ", driver " + machine.driver;
  std::printf("%s, %s; %lld x %lld x %lld voxels; copy %.1f GB/s\n\n", machine.name.c_str(),
              how.c_str(), static_cast<long long>(report.size[0]),
              static_cast<long long>(report.size[1]), static_cast<long long>(report.size[2]),
              report.copy_gb_per_s);
  std::printf("%-42s %9s %9s %8s %7s %8s %8s %8s\n", "operation", "ms", "ns/voxel", "B/voxel",
              "GB/s", "of copy", "state B", "peak B");
  std::fflush(stdout);
}

/// `gpu`: a thousand times faster.
void print_row(const bench::Row& row, bool gpu) {
  std::printf("%-42s %9.*f %9.*f %8.1f %7.*f %7.1f%% %8.1f", row.operation.c_str(), gpu ? 3 : 2,
              row.milliseconds, gpu ? 5 : 3, row.ns_per_voxel, row.bytes_per_voxel, gpu ? 0 : 2,
              row.gb_per_s, 100 * row.copy_fraction, row.state_bytes_per_voxel);
  if (row.peak_bytes_per_voxel)
    std::printf(" %8.1f", *row.peak_bytes_per_voxel);
  else
    std::printf(" %8s", "-");
  if (row.waiting_milliseconds > 0) std::printf("   %.3f ms waiting", row.waiting_milliseconds);
  if (row.communication_milliseconds > 0)
    std::printf(", %.3f ms of messages, %.2f MiB from others", row.communication_milliseconds,
                row.received_bytes / (1 << 20));
  std::printf("\n");
  std::fflush(stdout);
}

nlohmann::ordered_json number_or_null(const std::optional<double>& number) {
  return number ? nlohmann::ordered_json(*number) : nlohmann::ordered_json();
}

std::string to_json(const bench::Report& report, const DeviceInfo& machine) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const bench::Row& row : report.rows)
    rows.push_back({{"operation", row.operation},
                    {"ms", row.milliseconds},
                    {"fastest_ms", row.fastest_milliseconds},
                    {"ns_per_voxel", row.ns_per_voxel},
                    {"bytes_per_voxel", row.bytes_per_voxel},
                    {"gb_per_s", row.gb_per_s},
                    {"copy_fraction", row.copy_fraction},
                    {"state_bytes_per_voxel", row.state_bytes_per_voxel},
                    {"peak_bytes_per_voxel", number_or_null(row.peak_bytes_per_voxel)},
                    {"waiting_ms", row.waiting_milliseconds},
                    {"communication_ms", row.communication_milliseconds},
                    {"received_bytes", row.received_bytes}});
  nlohmann::ordered_json peak;  // null where nobody measures it
  if (report.device_peak_bytes > 0) peak = report.device_peak_bytes;
  const nlohmann::ordered_json json{{"version", job::version()},
                                    {"date", utc_now()},
                                    {"command", command_line()},
                                    {"machine",
                                     {{"device", report.device},
                                      {"name", machine.name},
                                      {"threads", report.threads},
                                      {"instruction_set", machine.instruction_set},
                                      {"driver", machine.driver},
                                      {"memory_bytes", machine.memory_bytes}}},
                                    {"size", report.size},
                                    {"repeats", report.repeats},
                                    {"copy_gb_per_s", report.copy_gb_per_s},
                                    {"peak_resident_bytes", report.peak_resident_bytes},
                                    {"device_peak_bytes", peak},
                                    {"rows", rows},
                                    {"note", report.note}};
  return json.dump(2) + "\n";
}

void run_bench(BenchOptions options) {
  options.spec.size = parse_size(options.size);
  if (!options.metrics.empty()) options.spec.metrics = parse_metrics(options.metrics);
  bench::validate(options.spec);
  require_device_name(options.device);
  options.spec.device = options.device;
  const std::unique_ptr<job::Ranks> ranks = join_ranks(options.device);
  const bool is_first = ranks == nullptr || ranks->is_first();
  if (ranks != nullptr) options.spec.ranks = &ranks->communicator();
  DeviceInfo machine;
  bool gpu = false;
  const auto start = [&](const bench::Report& report) {
    machine = device_of(report.device);
    gpu = !on_cpu(report);
    if (is_first) print_head(report, machine);
  };
  std::function<void(const bench::Row&)> on_row;
  if (is_first) on_row = [&gpu](const bench::Row& row) { print_row(row, gpu); };
  bench::Report report;
  on_all_ranks(ranks.get(), [&] { report = bench::run(options.spec, start, on_row); });
  if (!is_first) return;
  std::printf("\n%s\n", report.note.c_str());
  if (!options.json.empty()) write_text_file(options.json, to_json(report, machine));
}

}  // namespace

void add_bench_verb(CLI::App& app) {
  CLI::App* verb = add_verb(
      app, "bench", "Measure every operation on made-up data against the copy bandwidth",
      "gigawarp bench --size 256 --metric lncc --radius 2,3 --device auto --json bench.json");
  auto options = std::make_shared<BenchOptions>();
  bench::Spec& spec = options->spec;
  verb->add_option("--size", options->size, "Voxels: x,y,z or one number (default: 128)")
      ->type_name("X,Y,Z");
  verb->add_option(
      "--device", options->device,
      "auto, cpu, cuda:0, cuda:0,1, cuda:all or, over the processes that mpirun started, "
      "mpi (default: cpu)");
  verb->add_option("--threads", spec.threads, "CPU threads (default: all)");
  verb->add_option("--repeats", spec.repeats, "Timed calls; the median counts (default: 5)");
  verb->add_option("--metric", options->metrics, "lncc, mi, mse (default: all)")
      ->delimiter(',')
      ->type_name("lncc|mi|mse");
  verb->add_option("--radius", spec.radii, "LNCC radii, voxels (default: 2,3,5)")->delimiter(',');
  verb->add_option("--bins", spec.bins, "MI bins per axis (default: 32,64)")->delimiter(',');
  verb->add_option("--json", options->json, "Write the figures to this file as well")
      ->type_name("FILE");
  verb->callback([options] { run_bench(*options); });
}

}  // namespace gigawarp::app

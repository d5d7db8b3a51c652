#include "job/plan.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "io/brick_source.h"
#include "io/image_io.h"
#include "job/input_checks.h"
#include "job/inputs.h"
#include "job/names.h"
#include "job/ranks.h"
#include "ops/grid_members.h"
#include "solve/device_choice.h"

namespace gigawarp::job {

namespace {

/// Program, libraries and thread stacks, measured on an empty run.
constexpr std::uint64_t kProgramBytes = std::uint64_t{48} << 20;

std::string mebibytes(std::uint64_t bytes) {
  return std::to_string((bytes + (1U << 20) - 1) >> 20) + " MiB";
}

void choose_device(const JobSpec& job, const Ranks* ranks, Plan& plan) {
  const solve::DeviceChoice choice =
      ranks != nullptr ? solve::choose_rank_device(job.device, ranks->communicator())
                       : solve::choose_device(job.device);
  plan.device = choice.device;
  if (!choice.why_no_gpu.empty()) plan.note = choice.why_no_gpu + " It runs on the CPU.";
  plan.threads = job.threads > 0 ? std::min(job.threads, available_threads()) : available_threads();
}

/// Bytes per voxel of all channels together.
std::size_t voxel_bytes(const std::vector<std::string>& paths, const io::ReadOptions& options,
                        Grid& grid) {
  std::size_t bytes = 0;
  for (const std::string& path : paths) {
    const io::ImageHeader header = io::read_header(path, options);
    check_geometry(header.grid, path);
    if (bytes == 0) grid = header.grid;
    bytes += size_of(header.type) * static_cast<std::size_t>(header.channels);
  }
  return bytes;
}

/// The arrays of a checkpoint of the finest level, at most: the displacement and the moments, which
/// GPUs keep in a word each.
std::uint64_t checkpoint_bytes(const JobSpec& job, const Grid& fixed, bool gpu) {
  if (job.stages.empty() || job.stages.back().levels.empty()) return 0;
  const StageSpec& last = job.stages.back();
  if (!is_deformable(last.kind)) return 0;
  const auto voxels =
      static_cast<std::uint64_t>(solve::level_voxels(fixed, last.levels.back().shrink));
  return (gpu ? 16 : 24) * voxels * (last.kind == StageKind::syn ? 2 : 1);
}

void look_at_disk(const JobSpec& job, std::size_t moving_bytes, Plan& plan) {
  const auto voxels = static_cast<std::uint64_t>(plan.fixed.voxel_count());
  const bool coarse =
      job.warp_grid == WarpGrid::level && !job.stages.empty() && !job.stages.back().levels.empty();
  const int shrink = coarse ? job.stages.back().levels.back().shrink : 1;
  const auto field_voxels = static_cast<std::uint64_t>(solve::level_voxels(plan.fixed, shrink));
  const std::uint64_t field = 3 * sizeof(float) * field_voxels;
  plan.disk_needed = field * (job.write_inverse ? 2 : 1) +
                     (job.write_warped ? moving_bytes * voxels : 0) +
                     (job.moving_labels.empty() ? 0 : 2 * voxels) +
                     std::max(plan.forecast.state_bytes,
                              checkpoint_bytes(job, plan.fixed, solve::is_gpu(plan.device))) +
                     (std::uint64_t{1} << 20);
  std::error_code failure;
  std::filesystem::path folder = std::filesystem::absolute(job.output_directory, failure);
  while (!std::filesystem::exists(folder, failure) && folder.has_relative_path())
    folder = folder.parent_path();
  plan.disk = folder.string();
  const auto space = std::filesystem::space(folder, failure);
  plan.disk_free = failure ? 0 : space.available;
}

bool on_gpu(const Plan& plan) { return solve::is_gpu(plan.device); }

/// Files that can be read out of order.
bool all_stream(const std::vector<std::string>& paths, const io::ReadOptions& options,
                const Ranks* ranks) {
  return std::all_of(paths.begin(), paths.end(), [&](const std::string& path) {
    return reads_in_part(path, options, ranks != nullptr);
  });
}

/// The processors that share a run, without their parts; `shares` of each, and of ranks what their
/// hosts have.
std::vector<GpuPlan> sharers(const JobSpec& job, const Ranks* ranks, const std::string& device,
                             std::vector<double>& shares, std::vector<std::uint64_t>& hosts) {
  std::vector<GpuPlan> all;
  if (ranks == nullptr) {
    const std::vector<DeviceInfo> gpus = solve::gpus_of(device);
    shares = solve::memory_shares(gpus, job.memory_bytes);
    for (const DeviceInfo& gpu : gpus) all.push_back({gpu.id, 0, 0, 0, gpu.free_bytes, 0});
    return all;
  }
  for (const solve::RankDevice& rank :
       solve::rank_devices(device, ranks->communicator(), job.memory_bytes)) {
    shares.push_back(rank.memory_bytes);
    hosts.push_back(static_cast<std::uint64_t>(rank.host_available));
    all.push_back(
        {rank.name, 0, 0, 0, static_cast<std::uint64_t>(rank.available_bytes), rank.host});
  }
  ops::even_out(shares);
  return all;
}

/// Ranks of one host share its memory: the plan's need becomes that of all ranks of the host that
/// has least to spare.
void count_by_host(const std::vector<std::uint64_t>& available, Plan& plan) {
  std::map<int, std::uint64_t> needed;
  for (std::size_t i = 0; i < plan.gpus.size(); ++i)
    needed[plan.gpus[i].host] += plan.forecast.slabs[i].host_bytes + kProgramBytes;
  const auto ratio = [&](const auto& host) {
    return static_cast<double>(host.second) /
           static_cast<double>(
               std::max<std::uint64_t>(1, available[static_cast<std::size_t>(host.first)]));
  };
  const auto worst =
      std::max_element(needed.begin(), needed.end(),
                       [&](const auto& a, const auto& b) { return ratio(a) < ratio(b); });
  plan.memory_needed = worst->second;
  plan.memory_available = available[static_cast<std::size_t>(worst->first)];
}

void predict(const JobSpec& job, const Ranks* ranks, std::size_t fixed_bytes,
             std::size_t moving_bytes, Plan& plan) {
  JobSpec resolved = job;
  resolved.device = plan.device;
  std::vector<double> shares;
  std::vector<std::uint64_t> hosts;
  plan.gpus = sharers(job, ranks, plan.device, shares, hosts);
  plan.levels = solve::streamable(plan.fixed, plan.moving, resolved);
  // Ranks read their planes of the full level too.
  plan.streamed = ranks != nullptr ? solve::Streaming{true, true} : plan.levels;
  plan.streamed.fixed = plan.streamed.fixed && all_stream(job.fixed, fixed_options(job), ranks);
  plan.streamed.moving = plan.streamed.moving && all_stream(job.moving, moving_options(job), ranks);
  plan.streamed.fields = canonical_order(plan.fixed).inverse().axis[2] == 2;  // job/results.cpp
  with_threads(job.threads, [&] {
    plan.forecast = solve::forecast(plan.fixed, plan.moving, fixed_bytes, moving_bytes, resolved,
                                    shares, plan.streamed);
  });
  plan.memory_needed = plan.forecast.peak_bytes + kProgramBytes;
  plan.memory_available = available_memory_bytes();
  for (std::size_t i = 0; i < plan.gpus.size(); ++i) {
    const solve::SlabForecast& slab = plan.forecast.slabs[i];
    plan.gpus[i].z_begin = slab.z_begin;
    plan.gpus[i].z_end = slab.z_end;
    plan.gpus[i].needed = on_gpu(plan) ? slab.bytes : slab.host_bytes + kProgramBytes;
  }
  if (ranks != nullptr) count_by_host(hosts, plan);
}

bool on_host_ranks(const Plan& plan) { return plan.device == "mpi:cpu"; }

/// What a rank on the CPU lacks of what --memory lets it use, or empty.
std::string rank_misfit(const Plan& plan) {
  if (plan.memory_budget == 0) return {};  // the ranks of a host share what it has
  for (const GpuPlan& rank : plan.gpus)
    if (rank.needed > rank.available)
      return "The run needs " + mebibytes(rank.needed) + " of memory on " + rank.id +
             ", which may use " + mebibytes(rank.available) +
             "; raise --memory, start more ranks or leave out the finest level.";
  return {};
}

/// What the GPUs lack, or empty.
std::string gpu_misfit(const Plan& plan) {
  if (on_host_ranks(plan)) return rank_misfit(plan);
  const std::string whose = plan.gpus.size() > 1 ? " on each" : "";
  for (const GpuPlan& gpu : plan.gpus) {
    if (plan.memory_budget != 0 && gpu.needed > plan.memory_budget)
      return "The run needs " + mebibytes(gpu.needed) + " of GPU memory on " + gpu.id +
             ", more than the " + mebibytes(plan.memory_budget) + " it may use" + whose +
             "; raise --memory, leave out the finest level, take more GPUs (--device cuda:all), or "
             "choose --device cpu.";
    if (gpu.needed > gpu.available)
      return "The run needs " + mebibytes(gpu.needed) + " of GPU memory, but " + gpu.id +
             " has only " + mebibytes(gpu.available) +
             " free; leave out the finest level, take more GPUs (--device cuda:all), or choose "
             "another --device.";
  }
  return {};
}

/// All GPUs together; zeros on the CPU.
GpuPlan sum_of(const std::vector<GpuPlan>& gpus) {
  GpuPlan all;
  for (const GpuPlan& gpu : gpus) {
    all.needed += gpu.needed;
    all.available += gpu.available;
  }
  return all;
}

nlohmann::ordered_json gpus_json(const std::vector<GpuPlan>& gpus) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const GpuPlan& gpu : gpus)
    list.push_back({{"device", gpu.id},
                    {"planes", {gpu.z_begin, gpu.z_end}},
                    {"host", gpu.host},
                    {"needed_bytes", gpu.needed},
                    {"available_bytes", gpu.available}});
  return list;
}

}  // namespace

void require_usable_device(const std::string& device) { solve::chosen_device(device); }

Plan make_plan(const JobSpec& job, const Ranks* ranks) {
  Plan plan;
  choose_device(job, ranks, plan);
  plan.channels = static_cast<int>(job.fixed.size());
  const std::size_t fixed_bytes = voxel_bytes(job.fixed, fixed_options(job), plan.fixed);
  const std::size_t moving_bytes = voxel_bytes(job.moving, moving_options(job), plan.moving);
  plan.memory_budget = job.memory_bytes;
  predict(job, ranks, fixed_bytes, moving_bytes, plan);
  plan.warp_could_shrink = job.warp_grid == WarpGrid::full && plan.streamed.fixed && !on_gpu(plan);
  if (job.device == "auto" && !gpu_misfit(plan).empty()) {
    plan.note = gpu_misfit(plan) + " It runs on the CPU instead.";
    plan.passed_over_a_gpu = true;
    plan.device = "cpu";
    predict(job, ranks, fixed_bytes, moving_bytes, plan);
  }
  if (!job.output_directory.empty()) look_at_disk(job, moving_bytes, plan);
  return plan;
}

namespace {
/// The way out where only the finished displacement is too large.
std::string smaller_warp(const Plan& plan) {
  return plan.warp_could_shrink ? ", or write the warp on the grid of the level with --warp-grid "
                                  "level"
                                : "";
}
}  // namespace

std::string misfit(const Plan& plan) {
  if (std::string gpu = gpu_misfit(plan); !gpu.empty()) return gpu;
  if (!on_gpu(plan) && !on_host_ranks(plan) && plan.memory_budget != 0 &&
      plan.memory_needed > plan.memory_budget)
    return "The run needs " + mebibytes(plan.memory_needed) + " of memory, more than the " +
           mebibytes(plan.memory_budget) +
           " it may use; raise --memory or leave out the finest level" + smaller_warp(plan) + ".";
  if (plan.memory_needed > plan.memory_available && solve::is_ranks(plan.device))
    return "The ranks of one host need " + mebibytes(plan.memory_needed) +
           " of its memory together, but only " + mebibytes(plan.memory_available) +
           " are available; spread them over more hosts, close other programs or leave out the "
           "finest level.";
  if (plan.memory_needed > plan.memory_available)
    return "The run needs " + mebibytes(plan.memory_needed) + " of memory, but only " +
           mebibytes(plan.memory_available) +
           " are available; close other programs or leave out the finest level" +
           smaller_warp(plan) + ".";
  if (!plan.disk.empty() && plan.disk_needed > plan.disk_free)
    return "The run needs up to " + mebibytes(plan.disk_needed) + " of disk, but \"" + plan.disk +
           "\" has only " + mebibytes(plan.disk_free) + " free; choose another --out or make room.";
  return {};
}

std::string slabs_text(const Plan& plan) {
  std::string text;
  for (const GpuPlan& gpu : plan.gpus)
    text += (text.empty() ? gpu.id + " takes planes " : ", " + gpu.id + " ") +
            std::to_string(gpu.z_begin) + " to " + std::to_string(gpu.z_end);
  return text.empty() ? text : text + ".";
}

std::string to_json(const Plan& plan) {
  const auto grid = [](const Grid& g) {
    return nlohmann::ordered_json{{"size", g.size},
                                  {"spacing_mm", g.spacing_mm()},
                                  {"orientation", g.orientation()},
                                  {"voxels", g.voxel_count()}};
  };
  const GpuPlan gpus = sum_of(plan.gpus);
  const nlohmann::ordered_json json{
      {"device", plan.device},
      {"note", plan.note},
      {"threads", plan.threads},
      {"fixed", grid(plan.fixed)},
      {"moving", grid(plan.moving)},
      {"channels", plan.channels},
      {"memory",
       {{"needed_bytes", plan.memory_needed},
        {"available_bytes", plan.memory_available},
        {"budget_bytes", plan.memory_budget},
        {"images_bytes", plan.forecast.images_bytes},
        {"images_streamed", plan.streamed.fixed && plan.streamed.moving},
        {"state_bytes", plan.forecast.state_bytes},
        {"scratch_bytes", plan.forecast.scratch_bytes}}},
      {"gpu_memory", {{"needed_bytes", gpus.needed}, {"available_bytes", gpus.available}}},
      {"gpus", gpus_json(plan.gpus)},
      {"disk",
       {{"folder", plan.disk}, {"needed_bytes", plan.disk_needed}, {"free_bytes", plan.disk_free}}},
      {"seconds", plan.forecast.seconds},
      {"fits", misfit(plan).empty()}};
  return json.dump(2) + "\n";
}

}  // namespace gigawarp::job

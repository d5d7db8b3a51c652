#include "job/plan.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "io/brick_source.h"
#include "io/image_io.h"
#include "job/input_checks.h"
#include "job/inputs.h"
#include "job/names.h"
#include "job/offers.h"
#include "job/ranks.h"
#include "ops/grid_members.h"
#include "solve/device_choice.h"

namespace gigawarp::job {

namespace {

/// What a GPU's driver and MPI bring with them.
constexpr std::uint64_t kDriverBytes = std::uint64_t{48} << 20;

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

solve::VoxelBytes voxel_bytes(const std::vector<std::string>& paths, const io::ReadOptions& options,
                              Grid& grid) {
  solve::VoxelBytes bytes;
  for (const std::string& path : paths) {
    const io::ImageHeader header = io::read_header(path, options);
    check_geometry(header.grid, path);
    if (bytes.channels == 0) grid = header.grid;
    for (int c = 0; c < header.channels; ++c) bytes.add(header.type);
  }
  return bytes;
}

/// What a plan is made of, found once for all forms of a job.
struct Known {
  solve::VoxelBytes fixed, moving;
  solve::Companions companions;
  bool fixed_streams = false, moving_streams = false;  ///< their files let them
  bool ranks = false;
  std::vector<GpuPlan> sharers;  ///< without their parts
  std::vector<double> shares;
  std::vector<std::uint64_t> hosts;  ///< of ranks: what their hosts have
};

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

void look_at_disk(const JobSpec& job, const solve::VoxelBytes& moving, Plan& plan) {
  const auto voxels = static_cast<std::uint64_t>(plan.fixed.voxel_count());
  const bool coarse =
      job.warp_grid == WarpGrid::level && !job.stages.empty() && !job.stages.back().levels.empty();
  const int shrink = coarse ? job.stages.back().levels.back().shrink : 1;
  const auto field_voxels = static_cast<std::uint64_t>(solve::level_voxels(plan.fixed, shrink));
  const std::uint64_t field = 3 * sizeof(float) * field_voxels;
  plan.disk_needed =
      field * (job.write_inverse ? 2 : 1) + (job.write_warped ? moving.stored * voxels : 0) +
      (job.moving_labels.empty() ? 0 : 2 * voxels) +
      (carries_labels_back(job) ? 2 * static_cast<std::uint64_t>(plan.moving.voxel_count()) : 0) +
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

/// Masks and label maps that are read whole; those of streamed images are streamed where they can.
solve::Companions companions_of(const JobSpec& job, const Known& known, const Ranks* ranks) {
  solve::Companions found;
  std::size_t voxel = 0;  // of the last one looked at; whole numbers in f64 become 32-bit ones
  const auto bytes = [&](const std::string& path, const io::ReadOptions& image, bool streams) {
    if (path.empty() || path == kNonZeroMask || path == kNoMask) return 0.0;
    const io::ReadOptions options = io::companion_options(image, path);
    const io::ImageHeader header = io::read_header(path, options);
    voxel = std::min<std::size_t>(size_of(header.type), 4);
    if (streams && reads_in_part(path, options, ranks != nullptr)) return 0.0;
    const auto voxels = static_cast<double>(header.grid.voxel_count());
    found.label_file =
        std::max(found.label_file, voxels * static_cast<double>(size_of(header.type)));
    return voxels * static_cast<double>(voxel);
  };
  found.masks = bytes(job.fixed_mask, fixed_options(job), known.fixed_streams) +
                bytes(job.moving_mask, moving_options(job), known.moving_streams);
  found.label_file = 0;
  voxel = 0;
  found.fixed_labels = bytes(job.fixed_labels, fixed_options(job), true);
  found.fixed_label_bytes = std::exchange(voxel, 0);
  found.moving_labels = bytes(job.moving_labels, moving_options(job), true);
  found.moving_label_bytes = voxel;
  return found;
}

/// The processors that share a run.
void look_at_sharers(const JobSpec& job, const Ranks* ranks, const std::string& device,
                     Known& known) {
  known.sharers.clear();
  known.shares.clear();
  known.hosts.clear();
  if (ranks == nullptr) {
    const std::vector<DeviceInfo> gpus = solve::gpus_of(device);
    known.shares = solve::memory_shares(gpus, job.memory_bytes);
    for (const DeviceInfo& gpu : gpus)
      known.sharers.push_back({gpu.id, 0, 0, 0, gpu.free_bytes, 0});
    return;
  }
  for (const solve::RankDevice& rank :
       solve::rank_devices(device, ranks->communicator(), job.memory_bytes)) {
    known.shares.push_back(rank.memory_bytes);
    known.hosts.push_back(static_cast<std::uint64_t>(rank.host_available));
    known.sharers.push_back(
        {rank.name, 0, 0, 0, static_cast<std::uint64_t>(rank.available_bytes), rank.host});
  }
  ops::even_out(known.shares);
}

/// Ranks of one host share its memory: the plan's need becomes that of all ranks of the host that
/// has least to spare.
void count_by_host(const std::vector<std::uint64_t>& available, Plan& plan) {
  std::map<int, std::uint64_t> needed;
  for (std::size_t i = 0; i < plan.gpus.size(); ++i)
    needed[plan.gpus[i].host] += plan.forecast.slabs[i].host_bytes + kDriverBytes;
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

/// What the job needs on plan.device, whose sharers are known.
void predict(const JobSpec& job, const Known& known, Plan& plan) {
  JobSpec resolved = job;
  resolved.device = plan.device;
  plan.gpus = known.sharers;
  plan.levels = solve::streamable(plan.fixed, plan.moving, resolved);
  // Ranks read their planes of the full level too.
  plan.streamed = known.ranks ? solve::Streaming{true, true} : plan.levels;
  plan.streamed.fixed = plan.streamed.fixed && known.fixed_streams;
  plan.streamed.moving = plan.streamed.moving && known.moving_streams;
  plan.streamed.fields = canonical_order(plan.fixed).inverse().axis[2] == 2;  // job/results.cpp
  with_threads(job.threads, [&] {
    plan.forecast = solve::forecast(plan.fixed, plan.moving, known.fixed, known.moving, resolved,
                                    known.shares, plan.streamed, known.companions);
  });
  plan.memory_needed = plan.forecast.peak_bytes + (on_gpu(plan) || known.ranks ? kDriverBytes : 0);
  plan.memory_available = available_memory_bytes();
  for (std::size_t i = 0; i < plan.gpus.size(); ++i) {
    const solve::SlabForecast& slab = plan.forecast.slabs[i];
    plan.gpus[i].z_begin = slab.z_begin;
    plan.gpus[i].z_end = slab.z_end;
    plan.gpus[i].needed = on_gpu(plan) ? slab.bytes : slab.host_bytes + kDriverBytes;
  }
  if (known.ranks) count_by_host(known.hosts, plan);
}

bool on_host_ranks(const Plan& plan) { return plan.device == "mpi:cpu"; }

/// What is short of memory: the first thing that is, and what it needs and has.
struct Shortage {
  std::uint64_t needed = 0, available = 0;  ///< bytes; none: 0 of 0
  std::string sentence;                     ///< up to what to do
  std::string remedy;                       ///< beside a lighter job
  explicit operator bool() const { return needed > available; }
};

/// Of a rank on the CPU, of what --memory lets it use.
Shortage rank_shortage(const Plan& plan) {
  if (plan.memory_budget == 0) return {};  // the ranks of a host share what it has
  for (const GpuPlan& rank : plan.gpus)
    if (rank.needed > rank.available)
      return {rank.needed, rank.available,
              "The run needs " + mebibytes(rank.needed) + " of memory on " + rank.id +
                  ", which may use " + mebibytes(rank.available),
              "raise --memory or start more ranks"};
  return {};
}

Shortage gpu_shortage(const Plan& plan) {
  if (on_host_ranks(plan)) return rank_shortage(plan);
  const std::string whose = plan.gpus.size() > 1 ? " on each" : "";
  for (const GpuPlan& gpu : plan.gpus) {
    const std::string needs = "The run needs " + mebibytes(gpu.needed) + " of GPU memory";
    if (plan.memory_budget != 0 && gpu.needed > plan.memory_budget)
      return {gpu.needed, plan.memory_budget,
              needs + " on " + gpu.id + ", more than the " + mebibytes(plan.memory_budget) +
                  " it may use" + whose,
              "raise --memory"};
    if (gpu.needed > gpu.available)
      return {gpu.needed, gpu.available,
              needs + ", but " + gpu.id + " has only " + mebibytes(gpu.available) + " free",
              "choose another --device"};
  }
  return {};
}

Shortage memory_shortage(const Plan& plan) {
  if (Shortage gpu = gpu_shortage(plan)) return gpu;
  const std::string needs = mebibytes(plan.memory_needed);
  if (!on_gpu(plan) && !on_host_ranks(plan) && plan.memory_budget != 0 &&
      plan.memory_needed > plan.memory_budget)
    return {plan.memory_needed, plan.memory_budget,
            "The run needs " + needs + " of memory, more than the " +
                mebibytes(plan.memory_budget) + " it may use",
            "raise --memory"};
  if (plan.memory_needed <= plan.memory_available) return {};
  const std::string only = ", but only " + mebibytes(plan.memory_available) + " are available";
  if (solve::is_ranks(plan.device))
    return {plan.memory_needed, plan.memory_available,
            "The ranks of one host need " + needs + " of its memory together" + only,
            "spread them over more hosts or close other programs"};
  return {plan.memory_needed, plan.memory_available, "The run needs " + needs + " of memory" + only,
          "close other programs"};
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

namespace {
/// Lighter forms of the job and, first and last, other devices of this machine.
std::vector<Offer> offers(const JobSpec& job, const Plan& plan) {
  std::vector<Offer> all = lighter_forms(job, plan.fixed);
  if (!on_gpu(plan) || solve::is_ranks(plan.device)) return all;
  Offer elsewhere{" --device cuda:all", job};
  elsewhere.job.device = "cuda:all";
  if (solve::gpus_of(solve::chosen_device("cuda:all")).size() > plan.gpus.size())
    all.insert(all.begin(), elsewhere);
  elsewhere = {" --device cpu", job};
  elsewhere.job.device = "cpu";
  all.push_back(elsewhere);
  return all;
}

/// In the memory that the plan is short of.
std::uint64_t needed_of(const Plan& plan, bool of_sharers) {
  std::uint64_t most = 0;
  for (const GpuPlan& sharer : plan.gpus) most = std::max(most, sharer.needed);
  return of_sharers && most > 0 ? most : plan.memory_needed;
}

/// What to do beside the remedy: the form of the job that gives up least and fits, or what the
/// least demanding one needs.
std::string way_out(const JobSpec& job, const Known& known, const Plan& plan) {
  const bool of_sharers = static_cast<bool>(gpu_shortage(plan));
  const Offer* lightest = nullptr;
  std::uint64_t least = needed_of(plan, of_sharers);
  const std::vector<Offer> all = offers(job, plan);
  for (const Offer& offer : all) {
    Plan other = plan;
    Known its = known;
    if (offer.job.device != job.device) {
      other.device = solve::chosen_device(offer.job.device);
      look_at_sharers(offer.job, nullptr, other.device, its);
    }
    predict(offer.job, its, other);
    const std::uint64_t needed = needed_of(other, of_sharers);
    if (!memory_shortage(other))
      return ", or use" + offer.options + ", with which " + mebibytes(needed) + " are enough";
    if (needed >> 20 >= least >> 20) continue;  // as it is told
    least = needed;
    lightest = &offer;
  }
  if (lightest == nullptr) return ": no lighter form of the run needs less";
  return ": even with" + lightest->options + " it needs " + mebibytes(least);
}
}  // namespace

Plan make_plan(const JobSpec& job, const Ranks* ranks) {
  Plan plan;
  choose_device(job, ranks, plan);
  plan.channels = static_cast<int>(job.fixed.size());
  plan.memory_budget = job.memory_bytes;
  Known known;
  known.ranks = ranks != nullptr;
  known.fixed = voxel_bytes(job.fixed, fixed_options(job), plan.fixed);
  known.moving = voxel_bytes(job.moving, moving_options(job), plan.moving);
  known.fixed_streams = all_stream(job.fixed, fixed_options(job), ranks);
  known.moving_streams = all_stream(job.moving, moving_options(job), ranks);
  known.companions = companions_of(job, known, ranks);
  look_at_sharers(job, ranks, plan.device, known);
  predict(job, known, plan);
  if (const Shortage gpu = gpu_shortage(plan); gpu && job.device == "auto") {
    plan.note = gpu.sentence + ". It runs on the CPU instead.";
    plan.passed_over_a_gpu = true;
    plan.device = "cpu";
    look_at_sharers(job, ranks, plan.device, known);
    predict(job, known, plan);
  }
  if (memory_shortage(plan)) plan.way_out = way_out(job, known, plan);
  if (!job.output_directory.empty()) look_at_disk(job, known.moving, plan);
  return plan;
}

std::string misfit(const Plan& plan) {
  if (const Shortage lacking = memory_shortage(plan))
    return lacking.sentence + "; " + lacking.remedy + plan.way_out + ".";
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

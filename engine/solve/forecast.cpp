#include "solve/forecast.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/parallel.h"
#include "ops/grid_members.h"
#include "solve/device_choice.h"
#include "solve/pyramid.h"
#include "solve/slab_forecast.h"
#include "solve/stages.h"

namespace gigawarp::solve {
namespace {

constexpr double kMiB = 1 << 20;

/// Seconds of the iterations, measured (tests/bench/RESULTS.md): per voxel and iteration of a
/// linear stage, of LNCC and of other deformable stages; the CPU's are of two cores.
struct Pace {
  double linear, lncc, other, per_iteration, per_voxel;
};
constexpr Pace kTwoZen4Cores{12e-9, 25e-9, 20e-9, 0, 40e-9};
/// The last is the host's part (intensities, transfers), of two cores as well.
constexpr Pace kH100{0.06e-9, 0.09e-9, 0.08e-9, 300e-6, 10e-9};
/// What one GPU of several does of what it does alone.
constexpr double kOfEachGpu = 0.9;

/// Planes of fields that come from a GPU at once, with those of the inverse that they lead to.
constexpr double kFieldPlanes = 128;
/// job/results_measures.cpp
constexpr double kComparedVoxels = 48 * kMiB;

/// Voxels of the displacement that a job writes.
double field_voxels(const Grid& fixed, const JobSpec& job) {
  if (job.warp_grid == WarpGrid::full || job.stages.empty())
    return static_cast<double>(fixed.voxel_count());
  const std::vector<LevelSpec> levels = effective_levels(fixed, job.stages.back());
  const int shrink = levels.empty() ? 1 : levels.back().shrink;
  return static_cast<double>(level_grid(fixed, shrink).grid.voxel_count());
}
}  // namespace

std::int64_t level_voxels(const Grid& full, int shrink) {
  return level_grid(full, shrink).grid.voxel_count();
}

Streaming streamable(const Grid& fixed, const Grid& moving, const JobSpec& job) {
  Streaming out{true, true};
  if (is_gpu(job.device)) return out;
  for (const StageSpec& stage : job.stages)
    for (const LevelSpec& level : effective_levels(fixed, stage)) {
      const double spacing_mm = level_spacing_mm(fixed, level.shrink);
      out.fixed = out.fixed && !level_grid(fixed, spacing_mm).is_full();
      out.moving = out.moving && !level_grid(moving, spacing_mm).is_full();
    }
  return out;
}

void VoxelBytes::add(ScalarType type) {
  const std::size_t bytes = size_of(type);
  const bool taken = bytes < 4 || type == ScalarType::f32;  // solve/level_images.cpp
  if (channels == 0) first = bytes;
  stored += bytes;
  (taken ? borrowed : copied) += std::min<std::size_t>(bytes, 4);
  ++channels;
}

namespace {
/// What one image takes of the host's memory during the run: itself or, when it is streamed on the
/// CPU, its coarse levels, which are made in one pass.
double host_bytes(const Grid& fixed, const Grid& image, const VoxelBytes& voxel, const JobSpec& job,
                  bool streamed) {
  if (!streamed)
    return static_cast<double>(image.voxel_count()) * static_cast<double>(voxel.stored);
  double levels = 0;
  std::set<std::array<int, 3>> known;
  if (!is_gpu(job.device))
    for (const StageSpec& stage : job.stages)
      for (const LevelSpec& level : effective_levels(fixed, stage)) {
        const LevelGrid grid = level_grid(image, level_spacing_mm(fixed, level.shrink));
        if (known.insert(grid.shrink).second)
          levels += 4 * voxel.channels * static_cast<double>(grid.grid.voxel_count());
      }
  return levels;
}

/// The slabs that are in memory while a streamed image is read, before the run: three, or twice the
/// window of the coarsest level, that of the start's comparison, whose taps reach over an eighth of
/// the planes.
double slab_bytes(const Grid& image, const VoxelBytes& voxel) {
  constexpr double kPlanes = 64, kSlabs = 3;  // of 64 MiB or a layer of bricks
  const auto all = static_cast<double>(image.size[2]);
  const double plane =
      static_cast<double>(image.size[0] * image.size[1]) * static_cast<double>(voxel.stored);
  return plane * std::min(std::max(kSlabs * kPlanes, 2 * (kPlanes + 0.125 * all)), all);
}

/// A pair as it is read.
struct Pair {
  const Grid &fixed, &moving;
  const VoxelBytes &fixed_bytes, &moving_bytes;
  const JobSpec& job;
  const Streaming& streamed;
  double f = static_cast<double>(fixed.voxel_count());
  double m = static_cast<double>(moving.voxel_count());
};

/// What an image's level takes where it is neither the image in memory nor made already.
double level_bytes(const Pair& pair, const Grid& image, const VoxelBytes& voxel, int shrink,
                   bool made) {
  const LevelGrid level = level_grid(image, level_spacing_mm(pair.fixed, shrink));
  const auto voxels = static_cast<double>(level.grid.voxel_count());
  if (level.is_full()) return voxels * static_cast<double>(voxel.copied);
  return made ? 0 : 4 * voxels * voxel.channels;
}

/// The most that a level of the CPU's holds beside the images: its own ones, its masks, where the
/// fixed volume may choose one, and the state: GreedyState, or the warped image of a linear stage.
double levels_bytes(const Pair& pair) {
  const JobSpec& job = pair.job;
  const bool once = !is_ranks(job.device);
  double most = 0;
  for (const StageSpec& stage : job.stages)
    for (const LevelSpec& level : effective_levels(pair.fixed, stage)) {
      const auto voxels = static_cast<double>(level_voxels(pair.fixed, level.shrink));
      const double sides = stage.kind == StageKind::syn ? 2 : 1;
      const double state = is_deformable(stage.kind) ? 46 * sides : 4;
      const double masks =
          (may_mask_fixed(job) ? 1 : 0) + (has_mask(job.moving_mask) ? pair.m / pair.f : 0);
      most = std::max(most, voxels * (state + masks) +
                                level_bytes(pair, pair.fixed, pair.fixed_bytes, level.shrink,
                                            once && pair.streamed.fixed) +
                                level_bytes(pair, pair.moving, pair.moving_bytes, level.shrink,
                                            once && pair.streamed.moving));
    }
  // A volume whose type samplers do not take is there as f32 while a level is made of it.
  if (pair.fixed_bytes.copied > 0 && !pair.streamed.fixed) most = std::max(most, 4 * pair.f);
  if (pair.moving_bytes.copied > 0 && !pair.streamed.moving) most = std::max(most, 4 * pair.m);
  return most;
}

bool has_deformable(const JobSpec& job) {
  return std::any_of(job.stages.begin(), job.stages.end(),
                     [](const StageSpec& stage) { return is_deformable(stage.kind); });
}

/// What a volume of so many bytes takes on its way to a file: slabs of 64 MiB, of which one is
/// made, which takes `making`, while another is written; they are brought into the file's order and
/// packed (job/results.cpp).
double written_bytes(double bytes, double making = 0) {
  const double slab = std::min(bytes, 64 * kMiB), other = std::min(bytes - slab, 64 * kMiB);
  return slab + other + std::max(making, slab + other);
}

/// What sampling a moving image that is read box by box holds of a slab of so many voxels: the box
/// and, where the warp has a grid of its own, positions in tiles (cpu/apply.cpp).
double tile_bytes(const Pair& pair, double voxels) {
  if (!pair.streamed.moving) return 0;
  constexpr double kTile = 256 * 256, kPosition = 24;
  const auto plane = static_cast<double>(pair.fixed.size[0] * pair.fixed.size[1]);
  const double tiles = std::min(1.0, std::clamp(available_threads() / 4, 1, 4) * kTile / plane);
  const double box = pair.m * static_cast<double>(pair.moving_bytes.first) / pair.f;
  if (field_voxels(pair.fixed, pair.job) == pair.f) return voxels * box;  // all tiles at once
  return voxels * tiles * (kPosition + box);
}

/// The same of fixed labels of which boxes are read, on the moving grid: positions and boxes in
/// tiles.
double tile_bytes_back(const Pair& pair, double label_bytes, double voxels) {
  constexpr double kTile = 256 * 256, kPosition = 24, kRow = 160;  // a row's own, beside positions
  const auto plane = static_cast<double>(pair.moving.size[0] * pair.moving.size[1]);
  const double tiles = std::min(1.0, std::clamp(available_threads() / 4, 1, 4) * kTile / plane);
  const double row = std::min(256.0, static_cast<double>(pair.moving.size[0]));
  const double kept = has_deformable(pair.job) ? kPosition + kRow / row : 0;
  return voxels * tiles * (kept + pair.f * label_bytes / pair.m);
}

bool carries_back(const Pair& pair, const Companions& with) {
  return with.fixed_label_bytes > 0 && carries_labels_back(pair.job);
}

/// What bringing fixed labels onto the moving grid holds beside the fields: the labels, and all of
/// an inverse that is not in memory anyway (job/results.cpp).
double carried_back_bytes(const Pair& pair, const Companions& with, bool fields_whole) {
  const auto label = static_cast<double>(with.fixed_label_bytes);
  const double slab = std::min(pair.m, 64 * kMiB / label);
  const double making = with.fixed_labels > 0 ? 0 : tile_bytes_back(pair, label, slab);
  const double inverse =
      fields_whole || !has_deformable(pair.job) ? 0 : 12 * field_voxels(pair.fixed, pair.job);
  return inverse + with.fixed_labels +
         std::max(with.label_file, written_bytes(pair.m * label, making));
}

/// The most that is held, with `images`, while the fields (bytes of each) are brought to the host,
/// inverted, measured and written: solve/registration.cpp, job/results.cpp and
/// job/results_measures.cpp in their order. Images go before fields are measured.
double results_bytes(const Pair& pair, const Companions& with, double images, double field,
                     bool fields_whole) {
  const JobSpec& job = pair.job;
  const double f = pair.f;
  const double inverse = job.write_inverse ? field : 0, fields = field + inverse;
  double most = images + std::max(2 * field, fields);
  if (with.moving_label_bytes > 0) {
    const double carried = f * static_cast<double>(with.moving_label_bytes),
                 slab = std::min(f, 64 * kMiB / static_cast<double>(with.moving_label_bytes));
    most = std::max(most,
                    images + fields + with.moving_labels + with.fixed_labels +
                        std::max(with.label_file, written_bytes(carried, tile_bytes(pair, slab))));
  }
  if (carries_back(pair, with))
    most = std::max(most, images + fields + carried_back_bytes(pair, with, fields_whole));
  const auto voxel = static_cast<double>(pair.moving_bytes.first);
  const double warped = f * voxel;
  double compared = f + warped;  // with where they overlap
  if (!pair.streamed.fixed || f <= kComparedVoxels) {
    if (pair.streamed.fixed) compared += f * static_cast<double>(pair.fixed_bytes.first);
    const double ones = pair.streamed.moving ? 0 : pair.m;
    most =
        std::max(most, images + fields + std::max(compared + ones, warped + tile_bytes(pair, f)));
    if (job.write_warped) most = std::max(most, fields + warped + written_bytes(warped));
  } else {  // on planes evenly spaced
    compared = f / std::ceil(f / kComparedVoxels) *
               (static_cast<double>(pair.fixed_bytes.first) + voxel + 1);
    const double slab = std::min(f, 64 * kMiB / voxel);
    most =
        std::max(most, images + fields + compared + written_bytes(warped, tile_bytes(pair, slab)));
  }
  // Channels of a field in memory go to the file one by one.
  return std::max(most, fields + written_bytes(fields_whole ? field / 3 : field));
}

/// Of every image twice at once, while files are converted to volumes and these to canonical order.
double loading_bytes(const Pair& pair) {
  const double images =
      (pair.streamed.fixed ? 0 : pair.f * static_cast<double>(pair.fixed_bytes.stored)) +
      (pair.streamed.moving ? 0 : pair.m * static_cast<double>(pair.moving_bytes.stored));
  return images * std::min(1.0, available_threads() / (2.0 * pair.fixed_bytes.channels));
}

/// What each thread takes for itself: its stack and heap, LNCC's windows (cpu/lncc.cpp), the ring
/// of a smoothing (cpu/smooth_march.h) and a plane of what becomes a level (cpu/resample.cpp).
double thread_bytes(const Pair& pair) {
  constexpr double kOwn = 3e6, kRows = 32, kSmoothing = 6;
  double most = 0;
  for (const StageSpec& stage : pair.job.stages)
    for (const LevelSpec& level : effective_levels(pair.fixed, stage)) {
      const auto nx = static_cast<double>(level_grid(pair.fixed, level.shrink).grid.size[0]);
      const double r = stage.metric.radius + 1, k = 2 * r + 1;
      double row = is_deformable(stage.kind)
                       ? 3 * (kRows * (2 * kSmoothing + 1) + kRows + 2 * kSmoothing)
                       : 0;
      if (stage.metric.kind == MetricKind::lncc)
        row += 6 * k * (kRows + 2 * r) + 6 * (kRows + 4 * r) + 3 * (kRows + 2 * r) + 3 * k * kRows;
      most = std::max(most, 4 * nx * row);
    }
  const auto plane = [](const Grid& grid) {
    return 4 * static_cast<double>(grid.size[0] * grid.size[1]);
  };
  return kOwn + most + std::max(plane(pair.fixed), plane(pair.moving));
}

/// Voxels of a plane of the finest level that a job takes.
double finest_plane(const Grid& fixed, const JobSpec& job) {
  double most = 0;
  for (const StageSpec& stage : job.stages)
    for (const LevelSpec& level : effective_levels(fixed, stage)) {
      const Size3 n = level_grid(fixed, level.shrink).grid.size;
      most = std::max(most, static_cast<double>(n[0] * n[1]));
    }
  return most;
}

/// Of all stages' iterations, without files.
double iteration_seconds(const Pair& pair, std::size_t sharers, const Pace& pace) {
  const bool gpu = is_gpu(pair.job.device);
  double seconds = 0;
  for (const StageSpec& stage : pair.job.stages)
    for (const LevelSpec& level : effective_levels(pair.fixed, stage)) {
      const std::int64_t count = level_voxels(pair.fixed, level.shrink);
      const auto voxels = static_cast<double>(count);
      const double at_once = sharers > 1 && (count >= ops::kSmallVolume || !gpu)
                                 ? kOfEachGpu * static_cast<double>(sharers)
                                 : 1;
      if (!is_deformable(stage.kind)) {
        seconds +=
            std::min(level.iterations, 20) * (voxels * pace.linear / at_once + pace.per_iteration);
        continue;
      }
      const double fields = stage.kind == StageKind::syn ? 2 : 1;
      seconds +=
          fields * level.iterations *
          (voxels * (stage.metric.kind == MetricKind::lncc ? pace.lncc : pace.other) / at_once +
           pace.per_iteration);
    }
  return seconds;
}

/// Of the displacement, in host memory whole or, left on a GPU, a few planes at a time.
struct HostField {
  double bytes = 0;
  bool whole = true;
};
HostField host_field(const Pair& pair) {
  if (!has_deformable(pair.job)) return {};
  const double voxels = field_voxels(pair.fixed, pair.job), bytes = 12 * voxels;
  if (!is_gpu(pair.job.device) || !pair.streamed.fields ||
      is_held_whole(static_cast<std::int64_t>(voxels)))
    return {bytes, true};
  const auto planes = static_cast<double>(pair.fixed.size[2]);
  return {bytes * std::min(kFieldPlanes, planes) / planes, false};
}

/// Of ranks on the CPU, and the files that every rank reads whole; what the first one holds.
double rank_slabs(const Pair& pair, const Companions& with, const std::vector<double>& shares,
                  MemoryForecast& out) {
  const Streaming coarse_alone = streamable(pair.fixed, pair.moving, pair.job);
  const auto held = [&](const Grid& image, const VoxelBytes& voxel, bool coarse) {
    return host_bytes(pair.fixed, image, voxel, pair.job, true) +
           (coarse ? 0 : static_cast<double>(image.voxel_count()) * sampled_bytes(voxel));
  };
  const HostImages images{held(pair.fixed, pair.fixed_bytes, coarse_alone.fixed),
                          held(pair.moving, pair.moving_bytes, coarse_alone.moving)};
  const double fields = has_deformable(pair.job) ? 24 * field_voxels(pair.fixed, pair.job) : 0;
  const auto slabs = [&](double state) {
    return host_slabs(pair.fixed, pair.moving, pair.moving_bytes, pair.job, images, state, shares);
  };
  out.slabs = slabs(std::max(levels_bytes(pair), fields));
  out.images_bytes = static_cast<std::uint64_t>(
      (pair.streamed.fixed ? 0 : pair.f * static_cast<double>(pair.fixed_bytes.stored)) +
      (pair.streamed.moving ? 0 : pair.m * static_cast<double>(pair.moving_bytes.stored)));
  const auto most = static_cast<double>(out.slabs.front().bytes);
  if (!carries_back(pair, with)) return most;
  return std::max(most, static_cast<double>(slabs(fields).front().bytes) +
                            carried_back_bytes(pair, with, false));
}
}  // namespace

MemoryForecast forecast(const Grid& fixed, const Grid& moving, const VoxelBytes& fixed_bytes,
                        const VoxelBytes& moving_bytes, const JobSpec& job,
                        const std::vector<double>& shares, const Streaming& streamed,
                        const Companions& companions) {
  const bool gpu = is_gpu(job.device);
  const Pair pair{fixed, moving, fixed_bytes, moving_bytes, job, streamed};
  MemoryForecast out;
  const double images = host_bytes(fixed, fixed, fixed_bytes, job, streamed.fixed) +
                        host_bytes(fixed, moving, moving_bytes, job, streamed.moving);
  out.images_bytes = static_cast<std::uint64_t>(images + companions.masks);
  const double reading = std::max((streamed.fixed ? slab_bytes(fixed, fixed_bytes) : 0) +
                                      (streamed.moving ? slab_bytes(moving, moving_bytes) : 0),
                                  loading_bytes(pair));
  double state = reading;
  if (is_ranks(job.device) && !gpu) {
    state = std::max(state, rank_slabs(pair, companions, shares, out));
  } else {
    const HostField field = host_field(pair);
    state = std::max({state, gpu ? 0 : levels_bytes(pair),
                      results_bytes(pair, companions, images, field.bytes, field.whole) - images});
  }
  if (gpu) {
    out.slabs = slab_forecasts(fixed, moving, fixed_bytes, moving_bytes, job, shares);
    for (const SlabForecast& slab : out.slabs)
      out.device_bytes = std::max(out.device_bytes, slab.bytes);
  }
  out.state_bytes = static_cast<std::uint64_t>(state);
  out.scratch_bytes = static_cast<std::uint64_t>(thread_bytes(pair) * available_threads() +
                                                 200.0 * finest_plane(fixed, job));
  constexpr std::uint64_t kProgram = 76U << 20U;  // measured on volumes of next to nothing
  out.peak_bytes = out.images_bytes + out.state_bytes + out.scratch_bytes + kProgram;
  for (SlabForecast& slab : out.slabs)
    slab.host_bytes = &slab == out.slabs.data()
                          ? out.peak_bytes
                          : out.peak_bytes - out.state_bytes +
                                std::max(gpu ? 0 : slab.bytes, static_cast<std::uint64_t>(reading));
  const double cores = std::max(1, job.threads > 0 ? job.threads : available_threads()) / 2.0;
  const Pace& pace = gpu ? kH100 : kTwoZen4Cores;
  const double seconds = iteration_seconds(pair, shares.size(), pace),
               ends = (pair.f + pair.m) * pace.per_voxel;
  out.seconds = gpu ? seconds + ends / cores : seconds / cores + ends;
  return out;
}

}  // namespace gigawarp::solve

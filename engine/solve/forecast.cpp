#include "solve/forecast.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/parallel.h"
#include "ops/grid_members.h"
#include "ops/lncc_chunks.h"
#include "shard/partition.h"
#include "solve/device_choice.h"
#include "solve/pyramid.h"
#include "solve/stages.h"

namespace gigawarp::solve {
namespace {

/// One GPU of those that a run is shared by: what it gets of large volumes; the first holds small
/// ones alone.
struct GpuPart {
  double share = 1;
  bool first = true, alone = true;

  double of(double bytes, double voxels) const {
    if (alone || voxels >= static_cast<double>(ops::kSmallVolume)) return bytes * share;
    return first ? bytes : 0;
  }
};

/// Of LNCC's rings, which do not grow with the number of planes. `apart`: without a field of its
/// own for the gradient, or with channels added up.
double lncc_ring_bytes(const Size3& size, const MetricSpec& metric, bool apart) {
  const ops::Extent extent = ops::Extent::whole(size);
  const int back = metric.approximate_gradient ? 0 : metric.radius;
  return static_cast<double>(ops::LnccChunks(extent, metric.radius, back).bytes(extent, apart));
}

/// Peak of a compact back end's memory over the levels: full volumes, f32 copies of coarse ones, 24
/// bytes of state per voxel (28 with SyN's samples, twice), and whichever is more of LNCC's rings
/// and the displacement of the level before, which is there while the next one starts from it. The
/// search for folds marks voxels by bits, and the relaxation lists their words: with all GPUs, but
/// where SyN joins its halves on the first alone. At the end, the warp and its inverse.
std::uint64_t gpu_peak_bytes(const Grid& fixed, const Grid& moving, std::size_t fixed_voxel_bytes,
                             std::size_t moving_voxel_bytes, const JobSpec& job,
                             const GpuPart& part) {
  const auto f = static_cast<double>(fixed.voxel_count());
  const auto m = static_cast<double>(moving.voxel_count());
  const auto resident = [](std::size_t bytes) {
    return bytes > 4 ? 4.0 : static_cast<double>(bytes);
  };
  const double images =
      part.of(f * resident(fixed_voxel_bytes), f) + part.of(m * resident(moving_voxel_bytes), m);
  constexpr double kSmall = 64e6, kMarkBytes = 0.125, kFoldBytes = 0.625;
  double most = 0, before = 0;
  for (const StageSpec& stage : job.stages)
    for (const LevelSpec& level : effective_levels(fixed, stage)) {
      const LevelGrid grid = level_grid(fixed, level.shrink);
      const auto voxels = static_cast<double>(grid.grid.voxel_count());
      const double own =
          grid.is_full() ? 0 : part.of(4 * voxels, voxels) + part.of(4 * voxels * m / f, voxels);
      const double sides = stage.kind == StageKind::syn ? 2 : 1;
      const double ring = stage.metric.kind == MetricKind::lncc
                              ? lncc_ring_bytes(grid.grid.size, stage.metric,
                                                !is_deformable(stage.kind) || job.fixed.size() > 1)
                              : 0;
      if (!is_deformable(stage.kind)) {
        most = std::max(most, own + part.of(8 * voxels, voxels) + ring);
        continue;
      }
      const double state = part.of(sides * voxels * ((sides > 1 ? 28 : 24) + kMarkBytes), voxels),
                   lists = voxels * kFoldBytes;
      const double folds = part.alone || is_ranks(job.device)
                               ? sides * lists
                               : part.of(lists, voxels) + (part.first && sides > 1 ? lists : 0);
      most = std::max(most, own + state + folds + std::max(ring, before));
      before = part.of(sides * 8 * voxels, voxels);
    }
  if (before > 0) most = std::max(most, before + part.of(16 * f, f));
  return static_cast<std::uint64_t>(images + most + kSmall);
}

std::vector<SlabForecast> slab_forecasts(const Grid& fixed, const Grid& moving,
                                         std::size_t fixed_voxel_bytes,
                                         std::size_t moving_voxel_bytes, const JobSpec& job,
                                         const std::vector<double>& shares) {
  std::vector<SlabForecast> slabs;
  const bool cut = shares.size() > 1 && fixed.voxel_count() >= ops::kSmallVolume;
  const std::vector<std::int64_t> borders =
      shard::slab_borders(fixed.size[2], cut ? shares : std::vector<double>{1.0}, 4);
  for (std::size_t i = 0; i < shares.size(); ++i) {
    SlabForecast slab;
    if (cut || i == 0) {
      slab.z_begin = borders[i];
      slab.z_end = borders[i + 1];
    }
    // Ranks compute small levels each for itself.
    const GpuPart part{shares[i], i == 0 || is_ranks(job.device), shares.size() == 1};
    slab.bytes = gpu_peak_bytes(fixed, moving, fixed_voxel_bytes, moving_voxel_bytes, job, part);
    slabs.push_back(slab);
  }
  return slabs;
}

/// What ranks on the CPU hold together: full volumes where a stage takes them, coarse levels, and
/// the box of the moving volume that each can reach once more.
struct HostImages {
  double fixed = 0, moving = 0;  ///< bytes
};

/// Of ranks on the CPU: state and images by share, and the planes around the slab.
std::vector<SlabForecast> host_slabs(const Grid& fixed, const Grid& moving,
                                     const HostImages& images, double state_bytes,
                                     const std::vector<double>& shares) {
  constexpr double kHaloPlanes = 16, kStateBytes = 46;
  const std::vector<std::int64_t> borders = shard::slab_borders(fixed.size[2], shares, 1);
  const double halo = kHaloPlanes * kStateBytes * static_cast<double>(fixed.size[0]) *
                          static_cast<double>(fixed.size[1]) +
                      kHaloPlanes / static_cast<double>(moving.size[2]) * images.moving;
  std::vector<SlabForecast> slabs;
  for (std::size_t i = 0; i < shares.size(); ++i)
    slabs.push_back({borders[i], borders[i + 1],
                     static_cast<std::uint64_t>(
                         shares[i] * (images.fixed + 2 * images.moving + state_bytes) + halo),
                     0});
  return slabs;
}

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
constexpr double kComparedVoxels = 48.0 * (1 << 20);

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

namespace {
/// What one image takes of the host's memory during the run: itself or, when it is streamed on the
/// CPU, its coarse levels, which are made in one pass.
double host_bytes(const Grid& fixed, const Grid& image, std::size_t voxel_bytes, const JobSpec& job,
                  bool streamed) {
  if (!streamed) return static_cast<double>(image.voxel_count()) * static_cast<double>(voxel_bytes);
  double levels = 0;
  std::set<std::array<int, 3>> known;
  if (!is_gpu(job.device))
    for (const StageSpec& stage : job.stages)
      for (const LevelSpec& level : effective_levels(fixed, stage)) {
        const LevelGrid grid = level_grid(image, level_spacing_mm(fixed, level.shrink));
        if (known.insert(grid.shrink).second)
          levels += 4 * static_cast<double>(grid.grid.voxel_count());
      }
  return levels;
}

/// The slabs that are in memory while a streamed image is read, before the run: three, or twice the
/// window of the coarsest level, that of the start's comparison, whose taps reach over an eighth of
/// the planes.
double slab_bytes(const Grid& image, std::size_t voxel_bytes) {
  constexpr double kPlanes = 64, kSlabs = 3;  // of 64 MiB or a layer of bricks
  const auto all = static_cast<double>(image.size[2]);
  const double plane =
      static_cast<double>(image.size[0] * image.size[1]) * static_cast<double>(voxel_bytes);
  return plane * std::min(std::max(kSlabs * kPlanes, 2 * (kPlanes + 0.125 * all)), all);
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
}  // namespace

MemoryForecast forecast(const Grid& fixed, const Grid& moving, std::size_t fixed_voxel_bytes,
                        std::size_t moving_voxel_bytes, const JobSpec& job,
                        const std::vector<double>& shares, const Streaming& streamed) {
  const bool gpu = is_gpu(job.device);
  const auto f = static_cast<double>(fixed.voxel_count());
  const auto m = static_cast<double>(moving.voxel_count());
  MemoryForecast out;
  out.images_bytes = static_cast<std::uint64_t>(
      host_bytes(fixed, fixed, fixed_voxel_bytes, job, streamed.fixed) +
      host_bytes(fixed, moving, moving_voxel_bytes, job, streamed.moving));
  const double cores = std::max(1, job.threads > 0 ? job.threads : available_threads()) / 2.0;
  const Pace& pace = gpu ? kH100 : kTwoZen4Cores;
  double peak_state = 0, seconds = 0;
  for (const StageSpec& stage : job.stages) {
    for (const LevelSpec& level : effective_levels(fixed, stage)) {
      const LevelGrid grid = level_grid(fixed, level.shrink);
      const auto voxels = static_cast<double>(grid.grid.voxel_count());
      const double at_once =
          shares.size() > 1 && (grid.grid.voxel_count() >= ops::kSmallVolume || !gpu)
              ? kOfEachGpu * static_cast<double>(shares.size())
              : 1;
      // Levels that are not the full grid own f32 copies of both images.
      const double own = grid.is_full() ? 0 : 4 * (voxels + voxels * m / f);
      if (!is_deformable(stage.kind)) {
        peak_state = std::max(peak_state, voxels * 4 + own);
        seconds +=
            std::min(level.iterations, 20) * (voxels * pace.linear / at_once + pace.per_iteration);
      } else {
        const double fields = stage.kind == StageKind::syn ? 2 : 1;
        peak_state = std::max(peak_state, fields * voxels * 46 + own);
        seconds +=
            fields * level.iterations *
            (voxels * (stage.metric.kind == MetricKind::lncc ? pace.lncc : pace.other) / at_once +
             pace.per_iteration);
      }
    }
    if (is_deformable(stage.kind)) peak_state = std::max(peak_state, 24 * field_voxels(fixed, job));
  }
  if (gpu) {
    out.slabs = slab_forecasts(fixed, moving, fixed_voxel_bytes, moving_voxel_bytes, job, shares);
    for (const SlabForecast& slab : out.slabs)
      out.device_bytes = std::max(out.device_bytes, slab.bytes);
    // Only the results come to the host, or a few slabs of them at a time.
    const bool whole =
        !streamed.fields || is_held_whole(static_cast<std::int64_t>(field_voxels(fixed, job)));
    const double planes = whole
                              ? static_cast<double>(fixed.size[2])
                              : std::min<double>(kFieldPlanes, static_cast<double>(fixed.size[2]));
    peak_state = field_voxels(fixed, job) * planes / static_cast<double>(fixed.size[2]) *
                 (job.write_inverse ? 24 : 12);
  } else if (is_ranks(job.device)) {
    const Streaming coarse_alone = streamable(fixed, moving, job);
    const auto held = [&](const Grid& image, std::size_t bytes, bool coarse) {
      return host_bytes(fixed, image, bytes, job, true) +
             (coarse ? 0
                     : static_cast<double>(image.voxel_count()) *
                           static_cast<double>(std::min<std::size_t>(bytes, 4)));
    };
    const HostImages images{held(fixed, fixed_voxel_bytes, coarse_alone.fixed),
                            held(moving, moving_voxel_bytes, coarse_alone.moving)};
    out.slabs = host_slabs(fixed, moving, images, peak_state, shares);
    out.images_bytes = static_cast<std::uint64_t>(  // files that every rank reads whole
        (streamed.fixed ? 0 : f * static_cast<double>(fixed_voxel_bytes)) +
        (streamed.moving ? 0 : m * static_cast<double>(moving_voxel_bytes)));
    peak_state = static_cast<double>(out.slabs.front().bytes);
  }
  const double reading = (streamed.fixed ? slab_bytes(fixed, fixed_voxel_bytes) : 0) +
                         (streamed.moving ? slab_bytes(moving, moving_voxel_bytes) : 0);
  peak_state = std::max(peak_state, reading);
  // What is compared of images that are not in memory: fixed, warped and overlap.
  if (streamed.fixed)
    peak_state =
        std::max(peak_state, std::min(f, kComparedVoxels) *
                                 static_cast<double>(fixed_voxel_bytes + moving_voxel_bytes + 1));
  out.state_bytes = static_cast<std::uint64_t>(peak_state);
  out.scratch_bytes =
      static_cast<std::uint64_t>(8e6 * available_threads() + 200.0 * finest_plane(fixed, job));
  constexpr std::uint64_t kProgram = 60U << 20U;
  out.peak_bytes = out.images_bytes + out.state_bytes + out.scratch_bytes + kProgram;
  for (SlabForecast& slab : out.slabs)
    slab.host_bytes = &slab == out.slabs.data()
                          ? out.peak_bytes
                          : out.peak_bytes - out.state_bytes +
                                std::max(gpu ? 0 : slab.bytes, static_cast<std::uint64_t>(reading));
  out.seconds =
      gpu ? seconds + (f + m) * pace.per_voxel / cores : seconds / cores + (f + m) * pace.per_voxel;
  return out;
}

}  // namespace gigawarp::solve

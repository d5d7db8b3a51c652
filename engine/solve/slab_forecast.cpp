#include "solve/slab_forecast.h"

#include <algorithm>

#include "ops/grid_members.h"
#include "ops/lncc_chunks.h"
#include "shard/partition.h"
#include "solve/device_choice.h"
#include "solve/pyramid.h"
#include "solve/stages.h"

namespace gigawarp::solve {
namespace {

constexpr double kMiB = 1 << 20;

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

/// A level of one side's images and of its mask, as the samplers take them.
struct LevelVolumes {
  Grid grid;
  bool is_full = true;  ///< the images themselves
  double voxel_bytes = 0, mask_bytes = 0;

  LevelVolumes(const LevelGrid& level, const VoxelBytes& voxel, bool masked)
      : grid(level.grid),
        is_full(level.is_full()),
        voxel_bytes(is_full ? sampled_bytes(voxel) : 4.0 * voxel.channels),
        mask_bytes(masked ? 1 : 0) {}
  double voxels() const { return static_cast<double>(grid.voxel_count()); }
  /// What is made for the level.
  double made(const GpuPart& part) const {
    return part.of(voxels() * ((is_full ? 0 : voxel_bytes) + mask_bytes), voxels());
  }
};

/// What a rank holds of a moving volume beside its own planes: what its slab reaches, whatever the
/// turn (shard/moving_windows.h): as much of it as the slab is thick, half as much again where
/// planes or a box are not worth cutting further, and on either side `halo` planes, margins of five
/// voxels each way at any slant, and displacements of about so many voxels; tables of rows; and
/// what is packed for the others meanwhile.
double window_bytes(const Grid& fixed, const LevelVolumes& moving, double halo, double share,
                    std::size_t ranks) {
  constexpr double kSimpler = 1.5, kMargin = 9, kDisplacement = 16, kPacked = 64 * kMiB;
  const Vec3 mine = fixed.sides_mm(), theirs = moving.grid.sides_mm();
  const double all = moving.voxels() * (moving.voxel_bytes + moving.mask_bytes);
  const double thickness = share * mine[2] / *std::min_element(theirs.begin(), theirs.end()),
               around = 2 * (halo + kMargin + kDisplacement) /
                        static_cast<double>(
                            *std::min_element(moving.grid.size.begin(), moving.grid.size.end()));
  const double rows =
      8 * static_cast<double>(moving.grid.size[1] * moving.grid.size[2]) * (1 + moving.mask_bytes);
  const double packed =
      std::min(static_cast<double>(ranks - 1) * kPacked, std::min(1.0, 3 * share) * all);
  return std::min(all, kSimpler * thickness * all + around * all) + rows + packed;
}

/// Peak of a compact back end's memory over the levels: full volumes, f32 copies of coarse ones,
/// masks, 24 bytes of state per voxel (28 with SyN's samples, twice), and whichever is more of
/// LNCC's rings and the displacement of the level before, which is there while the next one starts
/// from it. The search for folds marks voxels by bits, and the relaxation lists their words: with
/// all GPUs, but where SyN joins its halves on the first alone; ranks each of their slab. At the
/// end, the warp and its inverse.
std::uint64_t gpu_peak_bytes(const Grid& fixed, const Grid& moving, const VoxelBytes& fixed_bytes,
                             const VoxelBytes& moving_bytes, const JobSpec& job,
                             const GpuPart& part, std::size_t devices) {
  const auto f = static_cast<double>(fixed.voxel_count());
  const auto m = static_cast<double>(moving.voxel_count());
  const double images =
      part.of(f * sampled_bytes(fixed_bytes), f) + part.of(m * sampled_bytes(moving_bytes), m);
  constexpr double kSmall = 64e6, kMarkBytes = 0.125, kFoldBytes = 0.625;
  const bool ranks = is_ranks(job.device) && !part.alone;
  double most = 0, before = 0;
  for (const StageSpec& stage : job.stages)
    for (const LevelSpec& level : effective_levels(fixed, stage)) {
      const LevelVolumes ours(level_grid(fixed, level.shrink), fixed_bytes, may_mask_fixed(job)),
          theirs(level_grid(moving, level_spacing_mm(fixed, level.shrink)), moving_bytes,
                 has_mask(job.moving_mask));
      const double voxels = ours.voxels();
      const bool lncc = stage.metric.kind == MetricKind::lncc;
      const double window =
          ranks ? window_bytes(ours.grid, theirs, lncc ? 2 * stage.metric.radius : 0, part.share,
                               devices)
                : 0;
      const double own = ours.made(part) + theirs.made(part) + window;
      const double sides = stage.kind == StageKind::syn ? 2 : 1;
      const double ring = lncc ? lncc_ring_bytes(ours.grid.size, stage.metric,
                                                 !is_deformable(stage.kind) || job.fixed.size() > 1)
                               : 0;
      if (!is_deformable(stage.kind)) {
        most = std::max(most, own + part.of(8 * voxels, voxels) + ring);
        continue;
      }
      const double state = part.of(sides * voxels * ((sides > 1 ? 28 : 24) + kMarkBytes), voxels),
                   lists = voxels * kFoldBytes;
      const double folds = part.alone || ranks
                               ? part.of(sides * lists, voxels)
                               : part.of(lists, voxels) + (part.first && sides > 1 ? lists : 0);
      most = std::max(most, own + state + folds + std::max(ring, before));
      before = part.of(sides * 8 * voxels, voxels);
    }
  if (before > 0) most = std::max(most, before + part.of(16 * f, f));
  return static_cast<std::uint64_t>(images + most + kSmall);
}

/// The largest window of a run's levels.
double most_window_bytes(const Grid& fixed, const Grid& moving, const VoxelBytes& moving_bytes,
                         const JobSpec& job, double share, std::size_t ranks) {
  double most = 0;
  for (const StageSpec& stage : job.stages)
    for (const LevelSpec& level : effective_levels(fixed, stage)) {
      const LevelVolumes theirs(level_grid(moving, level_spacing_mm(fixed, level.shrink)),
                                moving_bytes, has_mask(job.moving_mask));
      const double halo = stage.metric.kind == MetricKind::lncc ? 2 * stage.metric.radius : 0;
      most = std::max(most, window_bytes(fixed, theirs, halo, share, ranks));
    }
  return most;
}

}  // namespace

std::vector<SlabForecast> slab_forecasts(const Grid& fixed, const Grid& moving,
                                         const VoxelBytes& fixed_bytes,
                                         const VoxelBytes& moving_bytes, const JobSpec& job,
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
    slab.bytes = gpu_peak_bytes(fixed, moving, fixed_bytes, moving_bytes, job, part, shares.size());
    slabs.push_back(slab);
  }
  return slabs;
}

std::vector<SlabForecast> host_slabs(const Grid& fixed, const Grid& moving,
                                     const VoxelBytes& moving_bytes, const JobSpec& job,
                                     const HostImages& images, double state_bytes,
                                     const std::vector<double>& shares) {
  constexpr double kHaloPlanes = 16, kStateBytes = 46;
  const std::vector<std::int64_t> borders = shard::slab_borders(fixed.size[2], shares, 1);
  const double halo = kHaloPlanes * kStateBytes * static_cast<double>(fixed.size[0]) *
                      static_cast<double>(fixed.size[1]);
  std::vector<SlabForecast> slabs;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const double window = shares.size() == 1 ? 0
                                             : most_window_bytes(fixed, moving, moving_bytes, job,
                                                                 shares[i], shares.size());
    const double bytes = shares[i] * (images.fixed + images.moving + state_bytes) + halo + window;
    slabs.push_back({borders[i], borders[i + 1], static_cast<std::uint64_t>(bytes), 0});
  }
  return slabs;
}

}  // namespace gigawarp::solve

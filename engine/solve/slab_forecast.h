#pragma once
#include <string>
#include <vector>

#include "solve/forecast.h"

/// What each GPU of a run, or each rank, holds: its part of forecast().
namespace gigawarp::solve {

/// What the samplers see of a voxel, all channels together.
inline double sampled_bytes(const VoxelBytes& voxel) {
  return static_cast<double>(voxel.borrowed + voxel.copied);
}

inline bool has_mask(const std::string& name) { return !name.empty() && name != kNoMask; }
/// A brain-extracted fixed image masks itself, where nobody says otherwise.
inline bool may_mask_fixed(const JobSpec& job) {
  return has_mask(job.fixed_mask) || (job.fixed_mask.empty() && job.moving_mask.empty());
}

/// Of GPUs, in one process or ranks, by their shares of the planes.
std::vector<SlabForecast> slab_forecasts(const Grid& fixed, const Grid& moving,
                                         const VoxelBytes& fixed_bytes,
                                         const VoxelBytes& moving_bytes, const JobSpec& job,
                                         const std::vector<double>& shares);

/// What ranks on the CPU hold together: full volumes where a stage takes them, and coarse levels.
struct HostImages {
  double fixed = 0, moving = 0;  ///< bytes
};

/// Of ranks on the CPU: state and images by share, the planes around the slab, and the window of
/// the moving volume.
std::vector<SlabForecast> host_slabs(const Grid& fixed, const Grid& moving,
                                     const VoxelBytes& moving_bytes, const JobSpec& job,
                                     const HostImages& images, double state_bytes,
                                     const std::vector<double>& shares);

}  // namespace gigawarp::solve

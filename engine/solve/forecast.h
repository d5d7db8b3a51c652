#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gigawarp/grid.h"
#include "gigawarp/job.h"
#include "gigawarp/volume.h"

/// What a run will need, told before it starts.
namespace gigawarp::solve {

/// One GPU's part of a run, or one rank's.
struct SlabForecast {
  std::int64_t z_begin = 0, z_end = 0;  ///< planes of the fixed grid
  std::uint64_t bytes = 0;              ///< of its memory
  std::uint64_t host_bytes = 0;         ///< of its host's, of a rank: the whole process
};

/// Which images of a run need not be in host memory: all on a GPU; on the CPU those of which no
/// stage takes the full level. `job.device` must be a chosen one.
struct Streaming {
  bool fixed = false, moving = false;
  bool fields = false;  ///< RunControl::leave_fields
};
Streaming streamable(const Grid& fixed, const Grid& moving, const JobSpec& job);

/// Whether results that a GPU keeps, fields of so many voxels, come to host memory whole: small
/// ones, which several passes go through.
inline bool is_held_whole(std::int64_t voxels) {
  constexpr std::int64_t kMostBytes = std::int64_t{128} << 20;
  return voxels * static_cast<std::int64_t>(3 * sizeof(float)) <= kMostBytes;
}

/// Of a level of a grid.
std::int64_t level_voxels(const Grid& full, int shrink);

/// Bytes of a voxel of one side's images, all channels together.
struct VoxelBytes {
  std::size_t stored = 0;
  std::size_t borrowed = 0;  ///< of channels that samplers take as they are stored
  std::size_t copied = 0;    ///< of the f32 copies that they take of others
  std::size_t first = 0;     ///< of the first channel, stored
  int channels = 0;

  VoxelBytes() = default;
  VoxelBytes(ScalarType type) { add(type); }
  void add(ScalarType type);
};

/// What comes with the images and is read whole: bytes.
struct Companions {
  double masks = 0, fixed_labels = 0, moving_labels = 0;
  double label_file = 0;  ///< of the larger label map, in the type of its file
  std::size_t fixed_label_bytes = 0, moving_label_bytes = 0;  ///< of a voxel; 0: there are none
};

/// What register_volumes will need, for the plan; `job.device` must be a chosen one.
struct MemoryForecast {
  std::uint64_t images_bytes = 0, scratch_bytes = 0;
  std::uint64_t state_bytes = 0;    ///< the most that any phase holds beside the images
  std::uint64_t peak_bytes = 0;     ///< host memory
  std::uint64_t device_bytes = 0;   ///< of the memory of the GPU that needs most of it
  std::vector<SlabForecast> slabs;  ///< one per GPU
  double seconds = 0;               ///< predicted on this machine
};
/// `shares`: of each GPU that the job runs on (memory_shares()); none without. `streamed`: images
/// that are read as they are needed.
MemoryForecast forecast(const Grid& fixed, const Grid& moving, const VoxelBytes& fixed_bytes,
                        const VoxelBytes& moving_bytes, const JobSpec& job,
                        const std::vector<double>& shares, const Streaming& streamed = {},
                        const Companions& companions = {});

}  // namespace gigawarp::solve

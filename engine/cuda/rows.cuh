#pragma once
#include <algorithm>
#include <cstdint>

#include "cuda/segment_sums.h"

/// How the metrics that look at single voxels (MI, MSE) walk a volume: a block takes a run of rows
/// of one segment of planes, each of its warps a row at a time. The division into blocks depends on
/// the size of the volume alone.
namespace gigawarp::cuda {

constexpr int kRowWarps = 8;
constexpr int kRowThreads = 32 * kRowWarps;
constexpr int kSegmentPlanes = 4;  ///< segments begin at multiples of this in global z

struct RowPlan {
  int nx = 0, ny = 0;
  int z_begin = 0, z_end = 0;
  int warps = kRowWarps, rows = 0;  ///< of a block
  int first_segment = 0, segments = 0, per_segment = 0;

  RowPlan(const ops::Extent& e, ops::ZRange range, std::int64_t most_voxels,
          int block_warps = kRowWarps)
      : nx(static_cast<int>(e.nx)),
        ny(static_cast<int>(e.ny)),
        z_begin(static_cast<int>(range.begin)),
        z_end(static_cast<int>(range.end)),
        warps(block_warps) {
    // About a thousand blocks (of eight warps) in small volumes; in large ones as much as a block
    // may take.
    const std::int64_t even = e.ny * e.nz * warps / (1024 * kRowWarps) / warps * warps;
    const std::int64_t most =
        std::max<std::int64_t>(1, most_voxels / std::max<std::int64_t>(e.nx, 1));
    rows = static_cast<int>(
        std::min<std::int64_t>(std::clamp<std::int64_t>(even, warps, 16 * warps), most));
    first_segment = z_begin / kSegmentPlanes;
    segments = (z_end + kSegmentPlanes - 1) / kSegmentPlanes - first_segment;
    per_segment = static_cast<int>(blocks_for(std::int64_t{kSegmentPlanes} * ny, rows));
  }
  Segments sums() const { return {{z_begin, z_end}, kSegmentPlanes, per_segment}; }
  dim3 grid(unsigned depth = 1) const {
    return {static_cast<unsigned>(per_segment), static_cast<unsigned>(segments), depth};
  }

#if defined(__CUDACC__)
  /// Calls body(y, z) for every row of this warp.
  template <class Body>
  __device__ void for_each_row(const Body& body) const {
    const int segment = (first_segment + static_cast<int>(blockIdx.y)) * kSegmentPlanes;
    const int z0 = max(z_begin, segment), z1 = min(z_end, segment + kSegmentPlanes);
    const int first = static_cast<int>(blockIdx.x) * rows, end = min(first + rows, (z1 - z0) * ny);
    for (int r = first + static_cast<int>(threadIdx.x >> 5U); r < end; r += warps)
      body(r % ny, z0 + r / ny);
  }
  /// This block's place in SegmentSums.
  __device__ std::int64_t slot() const {
    return static_cast<std::int64_t>(blockIdx.y) * per_segment + blockIdx.x;
  }
#endif
};

/// The same for kernels whose blocks have much to bring or to leave and keep no sums by segments:
/// as many blocks as run at once, whose warps together go through the rows of the range in turn.
/// All get the same share, to a row, and planes are still near one another in time. (MI's gradient,
/// which samples and writes, takes 8 % longer so: neighbouring rows of M leave the cache between.)
struct RowSweep {
  int nx = 0, ny = 0, z_begin = 0;
  int rows = 0, rows_of_pass = 0;  ///< all of them, and those between two starts of the blocks
  int blocks = 1, warps = kRowWarps;

  /// `most_rows`: that one block may take before it starts anew.
  RowSweep(const ops::Extent& e, ops::ZRange range, int blocks_at_once, int block_warps,
           std::int64_t most_rows = std::int64_t{1} << 30U)
      : nx(static_cast<int>(e.nx)),
        ny(static_cast<int>(e.ny)),
        z_begin(static_cast<int>(range.begin)),
        rows(static_cast<int>(e.ny * std::max<std::int64_t>(0, range.end - range.begin))),
        warps(static_cast<int>(std::clamp<std::int64_t>(most_rows, 1, block_warps))) {
    blocks = std::clamp((rows + warps - 1) / warps, 1, blocks_at_once);
    const std::int64_t at_most =
        std::int64_t{blocks} * warps * std::max<std::int64_t>(1, most_rows / warps);
    const auto passes = std::max<std::int64_t>(1, (rows + at_most - 1) / at_most);
    rows_of_pass = static_cast<int>((rows + passes - 1) / passes);
  }
  dim3 grid(unsigned depth = 1) const {
    const int passes = rows > 0 ? (rows + rows_of_pass - 1) / rows_of_pass : 1;
    return {static_cast<unsigned>(blocks), static_cast<unsigned>(passes), depth};
  }

#if defined(__CUDACC__)
  /// Calls body(y, z) for every row of this warp.
  template <class Body>
  __device__ void for_each_row(const Body& body) const {
    const int warp = static_cast<int>(threadIdx.x >> 5U);
    if (warp >= warps) return;
    const int first = static_cast<int>(blockIdx.y) * rows_of_pass,
              end = min(first + rows_of_pass, rows);
    for (int r = first + static_cast<int>(blockIdx.x) * warps + warp; r < end; r += blocks * warps)
      body(r % ny, z_begin + r / ny);
  }
#endif
};

}  // namespace gigawarp::cuda

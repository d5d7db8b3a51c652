#pragma once
#include <cstdint>
#include <vector>

#include "cuda/support.h"
#include "ops/similarity.h"

/// Sums that repeat bit for bit. A block keeps its partial sums in a slot of its own; slots belong
/// to segments of planes whose borders are multiples of a constant in global z, and are added in a
/// fixed order: first those of a segment, then segments. So neither scheduling nor the number of
/// slabs can show.
namespace gigawarp::cuda {

constexpr int kSums = 14;  ///< value, count, gradient 3, moment 3×3 (ops::PlaneSums)

/// What one thread adds up: fp32 over the few hundred voxels it visits.
struct ThreadSums {
  float v[kSums] = {};

  /// ∇M·dL/dM at fixed voxel (x, y, z).
  __device__ void add_gradient(float gx, float gy, float gz, int x, int y, int z) {
    const float fx = static_cast<float>(x), fy = static_cast<float>(y), fz = static_cast<float>(z);
    const float g[3] = {gx, gy, gz};
#pragma unroll
    for (int r = 0; r < 3; ++r) {
      v[2 + r] += g[r];
      v[5 + 3 * r] += g[r] * fx;
      v[6 + 3 * r] += g[r] * fy;
      v[7 + 3 * r] += g[r] * fz;
    }
  }
};

/// Adds the sums of all threads of the block in a fixed order and stores them in `slot`. Every
/// thread of the block takes part; `threads` a multiple of 32, at most 1024.
__device__ inline void store_block_sums(const ThreadSums& sums, int thread, int threads,
                                        double* slot) {
  __shared__ double warp_sums[32][kSums];
  const int warp = thread >> 5, lane = thread & 31;
#pragma unroll
  for (int i = 0; i < kSums; ++i) {
    double s = static_cast<double>(sums.v[i]);
#pragma unroll
    for (int step = 16; step > 0; step >>= 1) s += __shfl_down_sync(0xffffffffU, s, step);
    if (lane == 0) warp_sums[warp][i] = s;
  }
  __syncthreads();
  if (thread < kSums) {
    double s = 0;
    for (int w = 0; w < threads / 32; ++w) s += warp_sums[w][thread];
    slot[thread] = s;
  }
}

/// Slots of one operation: `segments` × `per_segment`, made before the launch.
class SegmentSums {
 public:
  SegmentSums(Device& device, int segments, int per_segment);
  double* slots() const { return slots_.as<double>(); }
  /// Adds each segment's slots on the device and brings them to the host: waits for the stream.
  std::vector<ops::PlaneSums> collect();
  /// Adds each segment's slots, then the segments' values, on the device.
  void queue_value(double* value);

 private:
  void add_up();

  Device& device_;
  int segments_, per_segment_;
  ops::Array slots_, totals_;
};

}  // namespace gigawarp::cuda

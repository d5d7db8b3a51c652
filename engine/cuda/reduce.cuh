#pragma once
#include "cuda/segment_sums.h"

/// The device's part of SegmentSums: what threads and blocks add up.
namespace gigawarp::cuda {

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

}  // namespace gigawarp::cuda

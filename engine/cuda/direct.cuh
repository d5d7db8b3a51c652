#pragma once
#include "cuda/march.cuh"

/// The filter of march.cuh for any radius, one thread per voxel, every tap read from memory: for
/// wide windows, which are rare (very noisy volumes), and slow: (2·radius+1)³ reads per voxel.
namespace gigawarp::cuda {

template <class Op>
__global__ void __launch_bounds__(256)
    direct(const Op op, const MarchGrid grid, const DeviceTaps taps, int radius) {
  const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int y = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  const int z = grid.begin + static_cast<int>(blockIdx.z);
  typename Op::State state{};
  if (x < grid.nx && y < grid.ny) {
    math::Float3 sum;
    for (int k = -radius; k <= radius; ++k)
      for (int j = -radius; j <= radius; ++j) {
        int b = y + j, c = z + k;
        if (!Op::kClamp && (b < 0 || c < 0 || b >= grid.ny || c >= grid.nz)) continue;
        b = min(max(b, 0), grid.ny - 1);
        c = min(max(c, 0), grid.nz - 1);
        const float w = taps.weight[k + radius] * taps.weight[j + radius];
        for (int i = -radius; i <= radius; ++i) {
          int a = x + i;
          if (!Op::kClamp && (a < 0 || a >= grid.nx)) continue;
          a = min(max(a, 0), grid.nx - 1);
          const math::Float3 v = op.value(op.load(op.offset(a, b), c), a, b, c);
          const float t = w * taps.weight[i + radius];
          sum = {fmaf(t, v.x, sum.x), fmaf(t, v.y, sum.y), fmaf(t, v.z, sum.z)};
        }
      }
    op.sink(state, op.load_ahead(x, y, z), x, y, z, sum);
  }
  op.finish(state, static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x),
            static_cast<int>(blockIdx.z), static_cast<int>(blockIdx.y * gridDim.x + blockIdx.x),
            static_cast<int>(gridDim.x * gridDim.y));
}

inline dim3 direct_block() { return {64, 4, 1}; }

template <class Op>
void launch_direct(Device& device, const Op& op, const ops::Extent& extent, ops::ZRange range,
                   const ops::Taps& taps, const char* name) {
  const MarchGrid grid(extent, range, 64, 4);
  if (range.end <= range.begin) return;
  const dim3 blocks(blocks_for(extent.nx, 64), blocks_for(extent.ny, 4),
                    static_cast<unsigned>(range.end - range.begin));
  direct<<<blocks, direct_block(), 0, device.stream()>>>(op, grid, DeviceTaps(taps), taps.radius);
  check_launch(name);
}

}  // namespace gigawarp::cuda

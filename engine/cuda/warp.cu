#include <limits>

#include "cuda/cuda_ops.h"
#include "cuda/queued.h"
#include "cuda/recorded_graph.h"
#include "cuda/sampler.cuh"

/// The composite sampler. Per voxel: reads u 8 and M (8 corners, one reading of M when coherent),
/// writes f32 4, or nothing where only the voxels that count are of interest.
namespace gigawarp::cuda {
namespace {

constexpr int kPlanes = 2;  ///< per thread, for independent gathers

template <class T, bool kPlain>
__global__ void __launch_bounds__(256)
    warp_kernel(const __grid_constant__ DevicePair pair, const Plane<float> warped, int begin,
                int end, unsigned long long* count) {
  const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int y = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  const int z0 = begin + static_cast<int>(blockIdx.z) * kPlanes;
  unsigned valid = 0;
  if (x < pair.fixed.nx && y < pair.fixed.ny) {
    const math::Float3 base = pair.base<2>(x, y, 0);
#pragma unroll
    for (int i = 0; i < kPlanes; ++i) {
      const int z = z0 + i;
      if (z >= end) break;
      const Sampled s = sample_voxel<T, false, kPlain>(
          pair, x, y, z, pair.moving_point<2>(base, z, pair.displacement(x, y, z)));
      valid += s.inside ? 1 : 0;
      if (warped.data != nullptr)
        *warped.at(x, y, z) = s.inside ? s.value : __int_as_float(0x7fc00000);
    }
  }
  valid = __reduce_add_sync(0xffffffffU, valid);
  if ((threadIdx.x & 31U) == 0 && valid != 0) atomicAdd(count, valid);
}

void launch(Device& device, const ops::WarpArgs& args, unsigned long long* count) {
  const DevicePair pair(args.pair);
  const dim3 block(64, 4), blocks(blocks_for(pair.fixed.nx, 64), blocks_for(pair.fixed.ny, 4),
                                  blocks_for(args.range.end - args.range.begin, kPlanes));
  dispatch_pair(args.pair, false, [&]<class T, bool kPlain>() {
    warp_kernel<T, kPlain><<<blocks, block, 0, device.stream()>>>(
        pair, Plane<float>(args.warped), static_cast<int>(args.range.begin),
        static_cast<int>(args.range.end), count);
    check_launch("warp");
    note_sampler(device, &warp_kernel<T, kPlain>);
  });
}

}  // namespace

void queue_warp(Device& device, const ops::WarpArgs& args, unsigned long long* count) {
  const Range range("warp");
  if (args.range.end > args.range.begin) launch(device, args, count);
}

void warp(Device& device, const ops::WarpArgs& args, std::vector<ops::PlaneSums>& sums) {
  const Range range("warp");
  for (std::int64_t z = args.range.begin; z < args.range.end; ++z)
    sums[static_cast<std::size_t>(z)] = {};
  if (args.range.end <= args.range.begin) return;
  const ops::Array count = device.allocate(sizeof(unsigned long long));
  check(cudaMemsetAsync(count.data(), 0, count.bytes(), device.stream()), "warp");
  launch(device, args, count.as<unsigned long long>());
  const auto total = device.read<unsigned long long>(count.data(), "warp");
  // Exact, so that it does not matter which plane it is filed under.
  sums[static_cast<std::size_t>(args.range.begin)].count = static_cast<double>(total);
}

}  // namespace gigawarp::cuda

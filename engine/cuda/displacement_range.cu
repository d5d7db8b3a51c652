#include <array>
#include <climits>

#include "cuda/cuda_ops.h"
#include "math/packed.h"

/// How far a displacement reaches along each axis.
namespace gigawarp::cuda {
namespace {

constexpr int kThreads = 256;

/// Reads 8 bytes per voxel. Integers (steps of packed displacements): the order in which blocks
/// come cannot show.
__global__ void __launch_bounds__(kThreads)
    find_range(const ops::SlabView<std::uint64_t> u, int z_begin, int z_end, int* range) {
  int low[3] = {INT_MAX, INT_MAX, INT_MAX}, high[3] = {INT_MIN, INT_MIN, INT_MIN};
  const std::int64_t rows = static_cast<std::int64_t>(z_end - z_begin) * u.extent.ny;
  for (std::int64_t i = blockIdx.x; i < rows; i += gridDim.x) {
    const std::uint64_t* const row = u.row(i % u.extent.ny, z_begin + i / u.extent.ny);
    for (std::int64_t x = threadIdx.x; x < u.extent.nx; x += kThreads) {
      const math::Float3 v = math::unpack_vector_steps(row[x]);
      const int steps[3] = {__float2int_rn(v.x), __float2int_rn(v.y), __float2int_rn(v.z)};
#pragma unroll
      for (int a = 0; a < 3; ++a) {
        low[a] = min(low[a], steps[a]);
        high[a] = max(high[a], steps[a]);
      }
    }
  }
#pragma unroll
  for (int a = 0; a < 3; ++a) {
    const int least = __reduce_min_sync(0xffffffffU, low[a]),
              most = __reduce_max_sync(0xffffffffU, high[a]);
    if ((threadIdx.x & 31U) != 0) continue;
    atomicMin(range + a, least);
    atomicMax(range + 3 + a, most);
  }
}

}  // namespace

std::array<float, 6> displacement_range(Device& device, const ops::FieldView& u,
                                        ops::ZRange range) {
  const Range marker("displacement_range");
  constexpr float kMost = 3e38F;
  if (range.begin >= range.end) return {kMost, kMost, kMost, -kMost, -kMost, -kMost};
  std::array<int, 6> host{INT_MAX, INT_MAX, INT_MAX, INT_MIN, INT_MIN, INT_MIN};
  const ops::Array found = device.allocate(sizeof host);
  check(cudaMemcpyAsync(found.data(), host.data(), sizeof host, cudaMemcpyHostToDevice,
                        device.stream()),
        "preparing a range");
  find_range<<<static_cast<unsigned>(16 * device.multiprocessors()), kThreads, 0,
               device.stream()>>>(u.packed, static_cast<int>(range.begin),
                                  static_cast<int>(range.end), found.as<int>());
  check_launch("range of displacements");
  device.read(host.data(), found.data(), sizeof host, "reading a range");
  std::array<float, 6> out{};
  for (std::size_t a = 0; a < 6; ++a)
    out[a] = static_cast<float>(host[a]) / static_cast<float>(math::kPackedSteps);
  return out;
}

}  // namespace gigawarp::cuda

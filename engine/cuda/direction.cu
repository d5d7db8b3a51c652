#include <cmath>
#include <cstring>

#include "cuda/adam_step.h"
#include "cuda/cuda_ops.h"
#include "cuda/direct.cuh"
#include "cuda/march.cuh"
#include "cuda/queued.h"

/// Smoothing of the gradient fused with Adam. Per voxel: reads g 8 (with halo) and the moments 8,
/// writes the moments 8. The direction itself is not stored: compose() computes it again from the
/// moments, which are what it would have to read anyway. Here only its largest length is taken.
namespace gigawarp::cuda {
namespace {

struct DirectionOp {
  static constexpr bool kBox = false, kClamp = true;
  using Raw = std::uint64_t;
  using Ahead = std::uint64_t;
  struct State {
    float largest = 0;
  };

  Plane<const std::uint64_t> gradient;
  Plane<std::uint64_t> moments;
  math::AdamStep adam;
  unsigned* largest;  ///< bits of the largest |d|², a non-negative float

  __device__ int offset(int x, int y) const { return y * gradient.stride_y + x; }
  __device__ Raw load(int at, int z) const { return __ldg(gradient.plane(z) + at); }
  __device__ math::Float3 value(Raw raw, int, int, int) const { return math::unpack_floats(raw); }
  __device__ Ahead load_ahead(int x, int y, int z) const { return *moments.at(x, y, z); }
  __device__ void sink(State& state, Ahead word, int x, int y, int z, const math::Float3& g) const {
    const math::PackedMoments next = math::adam_update(adam, word, g);
    *moments.at(x, y, z) = next;
    const math::Float3 d = math::adam_direction(adam, next);
    state.largest = fmaxf(state.largest, d.x * d.x + d.y * d.y + d.z * d.z);
  }
  __device__ void finish(const State& state, int thread, int, int, int) const {
    const unsigned bits = __reduce_max_sync(0xffffffffU, __float_as_uint(state.largest));
    if ((thread & 31) == 0) atomicMax(largest, bits);
  }
};

}  // namespace

void queue_direction(Device& device, const ops::DirectionArgs& args, unsigned* largest) {
  const Range nvtx("direction");
  const DirectionOp op{readable(args.gradient.packed), Plane<std::uint64_t>(args.moments),
                       adam_step(args), largest};
  const ops::Taps taps = ops::Taps::smoothing(args.sigma_voxels);
  const ops::Extent& e = args.moments.extent;
  const char* name = "direction";
  switch (taps.radius) {
    case 0: launch_march<0, 32, 32, 2, 2>(device, op, e, args.range, taps, name); break;
    case 1: launch_march<1, 32, 32, 2, 2>(device, op, e, args.range, taps, name); break;
    case 2: launch_march<2, 32, 32, 2, 2>(device, op, e, args.range, taps, name); break;
    case 3: launch_march<3, 32, 32, 2, 1>(device, op, e, args.range, taps, name); break;
    case 4: launch_march<4, 32, 32, 2, 1>(device, op, e, args.range, taps, name); break;
    case 5: launch_march<5, 32, 32, 2, 1>(device, op, e, args.range, taps, name); break;
    case 6: launch_march<6, 32, 32, 2, 1>(device, op, e, args.range, taps, name); break;
    case 7:
    case 8: launch_march<8, 32, 32, 2, 1>(device, op, e, args.range, padded(taps, 8), name); break;
    case 9:
    case 10:
      launch_march<10, 32, 16, 1, 1>(device, op, e, args.range, padded(taps, 10), name);
      break;
    case 11:
    case 12:
      launch_march<12, 32, 16, 1, 1>(device, op, e, args.range, padded(taps, 12), name);
      break;
    default: launch_direct(device, op, e, args.range, taps, name); break;
  }
}

float direction(Device& device, const ops::DirectionArgs& args) {
  const ops::Array largest = device.allocate(sizeof(unsigned));
  check(cudaMemsetAsync(largest.data(), 0, sizeof(unsigned), device.stream()), "direction");
  queue_direction(device, args, largest.as<unsigned>());
  const auto bits = device.read<unsigned>(largest.data(), "direction");
  float square = 0;
  std::memcpy(&square, &bits, sizeof square);
  return std::sqrt(square);
}

}  // namespace gigawarp::cuda

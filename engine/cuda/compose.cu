#include "cuda/adam_step.h"
#include "cuda/compose_short.cuh"
#include "cuda/cuda_ops.h"
#include "cuda/direct.cuh"
#include "cuda/march.cuh"
#include "cuda/queued.h"

/// v(i) = δ(i) + u(i + δ(i)), then smoothed. Per voxel: reads the moments (or a direction) 8 with
/// halo and u 8 (4 or 8 words, mostly from the caches: |δ| <= 1), writes 8.
namespace gigawarp::cuda {
namespace {

/// u, as it is sampled.
struct SampledField {
  Plane<const std::uint64_t> words;
  Axis x, y, z;
};

/// u(p), trilinear with clamped edges, in steps of the fixed point.
__device__ inline math::Float3 interpolate_steps(const SampledField& u, float px, float py,
                                                 float pz) {
  const AxisPlace ax = axis_place(px, u.x), ay = axis_place(py, u.y), az = axis_place(pz, u.z);
  const float fx = ax.fraction, fy = ay.fraction, fz = az.fraction;
  const auto at = corner_rows(u.words.data, u.y, u.z, u.words.stride_y, u.words.stride_z, ax.low,
                              ay.low, az.low);
  std::uint64_t word[8];
#pragma unroll
  for (int q = 0; q < 4; ++q) {
    word[2 * q] = __ldg(at.row[q]);
    word[2 * q + 1] = __ldg(at.row[q] + u.x.step);
  }
  const float w11 = fy * fz, w10 = fy - w11, w01 = fz - w11;
  const float w[4] = {1.0F - fy - w01, w10, w01, w11};
  math::Float3 low, high;
#pragma unroll
  for (int q = 0; q < 4; ++q) {
    const math::Float3 a = math::unpack_vector_steps(word[2 * q]),
                       b = math::unpack_vector_steps(word[2 * q + 1]);
    low = {fmaf(w[q], a.x, low.x), fmaf(w[q], a.y, low.y), fmaf(w[q], a.z, low.z)};
    high = {fmaf(w[q], b.x, high.x), fmaf(w[q], b.y, high.y), fmaf(w[q], b.z, high.z)};
  }
  return {fmaf(high.x - low.x, fx, low.x), fmaf(high.y - low.y, fx, low.y),
          fmaf(high.z - low.z, fx, low.z)};
}

/// The same for short steps (ops::ComposeArgs), from memory.
__device__ inline math::Float3 interpolate_short(const SampledField& u, int x, int y, int z,
                                                 const math::Float3& d) {
  const auto neighbour = [](int i, float towards, const Axis& axis) {
    return min(max(i + (__float_as_int(towards) >> 31 | 1), 0), axis.last + 1);
  };
  const int row = y * u.words.stride_y;
  const std::uint64_t* const plane = u.words.plane(z);
  const int at_z = d.z < 0 ? max(z - 1, 0) : min(z + 1, u.z.last + 1);
  const auto steps = [](const std::uint64_t* at) { return math::unpack_vector_steps(__ldg(at)); };
  return along_axes(d, steps(plane + (row + x)), steps(plane + (row + neighbour(x, d.x, u.x))),
                    steps(plane + (neighbour(y, d.y, u.y) * u.words.stride_y + x)),
                    steps(u.words.plane(at_z) + (row + x)));
}

/// kMoments: the direction comes from Adam's moments, and steps are short; otherwise it is a
/// displacement itself, of any length.
template <bool kMoments>
struct ComposeOp {
  static constexpr bool kBox = false, kClamp = true;
  using Raw = std::uint64_t;
  struct Ahead {};
  struct State {};

  Plane<const std::uint64_t> from;
  math::AdamStep adam;
  StepScale scale;
  SampledField u;
  Plane<std::uint64_t> out;

  __device__ int offset(int x, int y) const { return y * from.stride_y + x; }
  __device__ Raw load(int at, int z) const { return __ldg(from.plane(z) + at); }
  __device__ math::Float3 value(Raw raw, int x, int y, int z) const {
    math::Float3 d;
    if constexpr (kMoments) {
      d = math::adam_direction(adam, raw, scale.get());
    } else {
      d = math::unpack_vector(raw);
      d = {d.x * scale.value, d.y * scale.value, d.z * scale.value};
    }
    math::Float3 v;
    if constexpr (kMoments)
      v = interpolate_short(u, x, y, z, d);
    else
      v = interpolate_steps(u, static_cast<float>(x) + d.x, static_cast<float>(y) + d.y,
                            static_cast<float>(z) + d.z);
    constexpr float kStep = 1.0F / math::kPackedSteps;
    return {fmaf(v.x, kStep, d.x), fmaf(v.y, kStep, d.y), fmaf(v.z, kStep, d.z)};
  }
  __device__ Ahead load_ahead(int, int, int) const { return {}; }
  __device__ void sink(State&, Ahead, int x, int y, int z, const math::Float3& v) const {
    *out.at(x, y, z) = math::pack_vector(v);
  }
  __device__ void finish(const State&, int, int, int, int) const {}
};

template <bool kMoments>
void launch(Device& device, const ops::ComposeArgs& args, const ComposeOp<kMoments>& op) {
  const ops::Taps taps = ops::Taps::smoothing(args.sigma_voxels);
  const ops::Extent& e = args.displacement.packed.extent;
  const char* name = "compose";
  switch (taps.radius) {
    case 0: launch_march<0, 32, 32, 2, 2>(device, op, e, args.range, taps, name); break;
    case 1: launch_march<1, 32, 32, 2, 2>(device, op, e, args.range, taps, name); break;
    case 2: launch_march<2, 32, 16, 2, 4>(device, op, e, args.range, taps, name); break;
    case 3: launch_march<3, 32, 28, 2, 2>(device, op, e, args.range, taps, name); break;
    case 4: launch_march<4, 32, 32, 2, 1>(device, op, e, args.range, taps, name); break;
    case 5:
    case 6: launch_march<6, 32, 32, 2, 1>(device, op, e, args.range, padded(taps, 6), name); break;
    default: launch_direct(device, op, e, args.range, taps, name); break;
  }
}

}  // namespace

void queue_compose(Device& device, const ops::ComposeArgs& args, const unsigned* largest) {
  const Range nvtx("compose");
  const ops::Extent& e = args.displacement.packed.extent;
  const SampledField u{readable(args.displacement.packed), Axis(static_cast<int>(e.nx), 1),
                       Axis(static_cast<int>(e.ny), static_cast<int>(e.stride_y)),
                       Axis(static_cast<int>(e.nz), static_cast<int>(e.stride_z))};
  const Plane<std::uint64_t> out(args.out.packed);
  if (args.from_moments == nullptr) {
    launch<false>(device, args, {readable(args.direction.packed), {}, {args.scale}, u, out});
    return;
  }
  const Plane<const std::uint64_t> moments = readable(args.from_moments->moments);
  const math::AdamStep adam = adam_step(*args.from_moments);
  const ops::Taps taps = ops::Taps::smoothing(args.sigma_voxels);
  const ShortSteps steps{moments, u.words, out, adam, {args.scale, largest}};
  const int marched = moments.stride_y == u.words.stride_y ? taps.radius : 0;
  switch (marched) {
    case 1: launch_short<1>(device, steps, e, args.range, taps, "compose"); break;
    case 2: launch_short<2>(device, steps, e, args.range, taps, "compose"); break;
    case 3: launch_short<3>(device, steps, e, args.range, taps, "compose"); break;
    default: launch<true>(device, args, {moments, adam, {args.scale, largest}, u, out}); break;
  }
}

void compose(Device& device, const ops::ComposeArgs& args) { queue_compose(device, args, nullptr); }

}  // namespace gigawarp::cuda

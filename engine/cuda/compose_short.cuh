#pragma once
#include "cuda/march.cuh"
#include "math/adam.h"

/// compose() for short steps along Adam's direction (ops::ComposeArgs::short_step):
/// v(i) = δ(i) + u(i) + Σ_a |δ_a|·(u(i ± e_a) − u(i)), then smoothed, in one march along z like
/// that of march.cuh. Everything a plane needs is asked for a plane ahead: u of three planes lies
/// in shared memory, unpacked once, where a voxel finds its neighbours whatever its direction.
/// Gathers from memory, which depend on the direction, were waited for. (Filtering three planes at
/// once between two barriers, on twice the shared memory, waited less at barriers and more for
/// loads: slower.)
///
/// Per voxel: reads the moments 8 and u 8 once (halo of R, of R + 1 for u), writes 8.
namespace gigawarp::cuda {

/// What a direction is multiplied with: a number, or that over max(1, |d|) where the device keeps
/// the largest |d|² (queue_direction()). Divided as the host divides.
struct StepScale {
  float value = 1;
  const unsigned* largest = nullptr;

  __device__ float get() const {
    if (largest == nullptr) return value;
    return __fdiv_rn(value, fmaxf(1.0F, __fsqrt_rn(__uint_as_float(*largest))));
  }
};

struct ShortSteps {
  Plane<const std::uint64_t> moments, u;
  Plane<std::uint64_t> out;
  math::AdamStep adam;
  StepScale scale;
};

template <int R>
struct ShortShape : MarchShape<R, 32, 16, 2> {
  using Base = MarchShape<R, 32, 16, 2>;
  static constexpr int kPitch = (Base::kHaloX + 2 + 3) / 4 * 4;  ///< of u's tiles and of the sums'
  static constexpr int kWidth = Base::kHaloX + 2, kHeight = Base::kHaloY + 2;  ///< of u's tiles
  static constexpr int kRing = 2 * kWidth + 2 * (kHeight - 2);  ///< their outermost voxels
  static constexpr int kPlanes = 3;                             ///< of u
  static constexpr int kCells = kHeight * kPitch, kTileFloats = Base::kHaloY * kPitch;
  static constexpr std::size_t kBytes =
      sizeof(float) * 3 * (kTileFloats + Base::kRowFloats) + sizeof(float4) * kPlanes * kCells;
  static_assert(kRing <= Base::kThreads && kPitch >= Base::kPitch);
};

/// u(i + δ) from u at i and at its neighbours towards δ; any unit.
__device__ inline math::Float3 along_axes(const math::Float3& d, const math::Float3& c,
                                          const math::Float3& along_x, const math::Float3& along_y,
                                          const math::Float3& along_z) {
  const float wx = fabsf(d.x), wy = fabsf(d.y), wz = fabsf(d.z), w = 1.0F - wx - wy - wz;
  return {fmaf(wx, along_x.x, fmaf(wy, along_y.x, fmaf(wz, along_z.x, w * c.x))),
          fmaf(wx, along_x.y, fmaf(wy, along_y.y, fmaf(wz, along_z.y, w * c.y))),
          fmaf(wx, along_x.z, fmaf(wy, along_y.z, fmaf(wz, along_z.z, w * c.z)))};
}

template <int R>
__global__ void __launch_bounds__(ShortShape<R>::kThreads, 3)
    compose_short(const __grid_constant__ ShortSteps op, const __grid_constant__ MarchGrid grid,
                  const __grid_constant__ DeviceTaps taps) {
  using Shape = ShortShape<R>;
  constexpr int kColumns = Shape::kColumns, X = Shape::kTileX, kRows = 2;
  extern __shared__ __align__(16) float shared[];
  constexpr int kPitch = Shape::kPitch;
  float* const tile = shared;                                                   // 3 × kTileFloats
  float* const rows = tile + 3 * Shape::kTileFloats;                            // 3 × kRowFloats
  auto* const field = reinterpret_cast<float4*>(rows + 3 * Shape::kRowFloats);  // u in steps ...
  const auto plane_of_field = [field](int z) {  // ... of plane z modulo kPlanes
    return field + z % Shape::kPlanes * Shape::kCells;
  };
  const int thread = static_cast<int>(threadIdx.x), tx = thread % X, ty = thread / X;
  const int x0 = static_cast<int>(blockIdx.x) * X,
            y0 = static_cast<int>(blockIdx.y) * Shape::kTileY;
  const int z0 = grid.segment_begin(static_cast<int>(blockIdx.z)),
            z1 = grid.segment_end(static_cast<int>(blockIdx.z));
  const int last = grid.nz - 1;
  const float scale = op.scale.get();

  // The columns of tile and halo that this thread brings in, clamped to the volume: a voxel beyond
  // it is computed as the nearest one inside, whose word and neighbours are found from `nearest`.
  constexpr int kLastThreads =
      Shape::kHaloX * Shape::kHaloY - (kColumns - 1) * Shape::kThreads;  // with a last column
  constexpr int kOwn = kPitch + 1;  // from a voxel's place in the sums' tiles to that in u's
  unsigned offset[kColumns];
  int place[kColumns], nearest[kColumns];
#pragma unroll
  for (int c = 0; c < kColumns; ++c) {
    const int e = min(thread + c * Shape::kThreads, Shape::kHaloX * Shape::kHaloY - 1);
    const int column = e % Shape::kHaloX, row = e / Shape::kHaloX;
    const int x = min(max(x0 - R + column, 0), grid.nx - 1),
              y = min(max(y0 - R + row, 0), grid.ny - 1);
    offset[c] = static_cast<unsigned>(y * op.u.stride_y + x);
    place[c] = row * kPitch + column;
    nearest[c] = (y - y0 + R) * kPitch + (x - x0 + R) + kOwn;
  }
  // Of the ring around it, one voxel each.
  const bool brings = thread < Shape::kRing;
  const bool level = thread < 2 * Shape::kWidth;  // in its first or last row
  const int beyond = thread - 2 * Shape::kWidth;
  const int ring_x = level ? thread % Shape::kWidth : (beyond & 1) * (Shape::kWidth - 1),
            ring_y = level ? thread / Shape::kWidth * (Shape::kHeight - 1) : 1 + beyond / 2;
  const int ring_place = ring_y * kPitch + ring_x;
  const auto ring_offset =
      static_cast<unsigned>(min(max(y0 - R - 1 + ring_y, 0), grid.ny - 1) * op.u.stride_y +
                            min(max(x0 - R - 1 + ring_x, 0), grid.nx - 1));

  std::uint64_t moments[kColumns], next[kColumns], next_ring = 0;
  const auto load = [&](const Plane<const std::uint64_t>& from, int z,
                        std::uint64_t(&to)[kColumns]) {
    const std::uint64_t* plane = whole(from.plane(z));
#pragma unroll
    for (int c = 0; c < kColumns; ++c) to[c] = __ldg(plane + offset[c]);
  };
  const auto load_u = [&](int z) {
    load(op.u, z, next);
    if (brings) next_ring = __ldg(op.u.plane(z) + ring_offset);
  };
  const auto store_u = [&](int z) {
    float4* to = plane_of_field(z);
    const auto store = [to](int at, std::uint64_t word) {
      const math::Float3 v = math::unpack_vector_steps(word);
      to[at] = make_float4(v.x, v.y, v.z, 0);
    };
#pragma unroll
    for (int c = 0; c < kColumns; ++c) store(place[c] + kOwn, next[c]);
    if (brings) store(ring_place, next_ring);
  };
  int zc = min(max(z0 - R, 0), last);  // the plane inside nearest to z
  load_u(max(zc - 1, 0));
  store_u(max(zc - 1, 0));
  load_u(zc);
  store_u(zc);
  load_u(min(zc + 1, last));
  load(op.moments, zc, moments);

  const int x = x0 + tx, first_row = y0 + ty * kRows;
  float sum[3][kRows][Shape::K] = {};
  for (int z = z0 - R; z < z1 + R; ++z) {
    const int centre = z - R, up = min(zc + 1, last);
    store_u(up);
    __syncthreads();
    const float4* const here = plane_of_field(zc);
    const float4* const below = plane_of_field(max(zc - 1, 0));
    const float4* const above = plane_of_field(up);
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      if (c == kColumns - 1 && thread >= kLastThreads) continue;
      const math::Float3 d = math::adam_direction(op.adam, moments[c], scale);
      const auto towards = [](float v) { return __float_as_int(v) >> 31 | 1; };
      const auto at = [](const float4* from) {
        const float4 v = *from;
        return math::Float3{v.x, v.y, v.z};
      };
      const int i = nearest[c];
      const math::Float3 v =
          along_axes(d, at(here + i), at(here + i + towards(d.x)),
                     at(here + i + towards(d.y) * kPitch), at((d.z < 0 ? below : above) + i));
      constexpr float kStep = 1.0F / math::kPackedSteps;
      float* to = tile + place[c];
      to[0] = fmaf(v.x, kStep, d.x);
      to[Shape::kTileFloats] = fmaf(v.y, kStep, d.y);
      to[2 * Shape::kTileFloats] = fmaf(v.z, kStep, d.z);
    }
    if (const int plane = min(max(z + 1, 0), last); z + 1 < z1 + R && plane != zc) {
      zc = plane;  // arrives while this plane is filtered; nothing beyond the halo is touched
      load(op.moments, zc, moments);
      load_u(min(zc + 1, last));
    }
    __syncthreads();
    for (int e = thread; e < Shape::kHaloY * (X / 4); e += Shape::kThreads) {
      const int row = e / (X / 4), quad = e % (X / 4);
#pragma unroll
      for (int q = 0; q < 3; ++q)
        reinterpret_cast<float4*>(rows + q * Shape::kRowFloats + row * X)[quad] =
            filter_quad<R, false>(tile + q * Shape::kTileFloats + row * kPitch + 4 * quad,
                                  taps.weight);
    }
    __syncthreads();
    float done[3][kRows];
#pragma unroll
    for (int q = 0; q < 3; ++q) {
      float in[kRows];
      filter_column<R, X, kRows, false>(rows + q * Shape::kRowFloats + ty * kRows * X + tx,
                                        taps.weight, in);
      add_plane<R, false>(taps.weight, in, sum[q], done[q]);
    }
    if (centre < z0 || x >= grid.nx) continue;
#pragma unroll
    for (int i = 0; i < kRows; ++i)
      if (first_row + i < grid.ny)
        *op.out.at(x, first_row + i, centre) =
            math::pack_vector({done[0][i], done[1][i], done[2][i]});
  }
}

template <int R>
void launch_short(Device& device, const ShortSteps& op, const ops::Extent& extent,
                  ops::ZRange range, const ops::Taps& taps, const char* name) {
  using Shape = ShortShape<R>;
  const MarchGrid grid(extent, range, Shape::kTileX, Shape::kTileY);
  if (grid.segments() == 0) return;
  check(cudaFuncSetAttribute(compose_short<R>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(Shape::kBytes)),
        name);
  compose_short<R><<<grid.blocks(), Shape::kThreads, Shape::kBytes, device.stream()>>>(
      op, grid, DeviceTaps(taps));
  check_launch(name);
}

}  // namespace gigawarp::cuda

#pragma once
#include <cstdint>

#include "cuda/device_view.cuh"
#include "cuda/support.h"
#include "math/packed.h"
#include "ops/taps.h"

/// A separable filter of three numbers per voxel in one march along z: the field is never stored in
/// between. A block owns a column of kTileX × kTileY voxels over one segment of planes. Per plane
/// it brings the tile with its halo to shared memory, filters along x, then y; the filter along z
/// is a row of 2·R+1 partial sums per voxel in registers, each of which takes its share of the
/// plane and moves one place on.
///
/// An Op says what comes in and what happens to the result:
///   static constexpr bool kBox     all taps are one
///   static constexpr bool kClamp   beyond the volume the edge repeats; otherwise zero
///   using Raw                      what is loaded ahead of time for one voxel of tile or halo
///   int offset(x, y)               where (x, y) lies in a plane of what is loaded
///   Raw load(offset, z)            inside the volume
///   Float3 value(raw, x, y, z)     the numbers to filter; without kClamp, Raw{} gives zeros
///   using Ahead                    what the sink needs, loaded before the plane is filtered
///   Ahead load_ahead(x, y, z)      for voxels of the range
///   using State; void sink(state, ahead, x, y, z, filtered)   for every voxel of the range
///   void finish(state, thread, segment, tile, tiles)   once per thread, all threads together
namespace gigawarp::cuda {

/// Where a march goes; the same for every launch over one grid, whatever the slab or the device.
struct MarchGrid {
  int nx = 0, ny = 0, nz = 0;
  int begin = 0, end = 0;  ///< planes to compute
  int origin = 0;          ///< where segments are counted from
  int segment = 1;         ///< planes per block, borders at multiples in global z
  int tiles_x = 1, tiles_y = 1;

  MarchGrid(const ops::Extent& e, ops::ZRange range, int tile_x, int tile_y)
      : nx(static_cast<int>(e.nx)),
        ny(static_cast<int>(e.ny)),
        nz(static_cast<int>(e.nz)),
        begin(static_cast<int>(range.begin)),
        end(static_cast<int>(range.end)),
        tiles_x((nx + tile_x - 1) / tile_x),
        tiles_y((ny + tile_y - 1) / tile_y) {
    // Enough blocks to fill any card, few enough that priming the window costs little.
    constexpr int kBlocks = 1056;
    const int wanted = (kBlocks + tiles() - 1) / tiles();
    // A power of two: chunks of 64 planes hold whole segments.
    for (segment = 8; segment < 64 && segment * wanted < nz;) segment *= 2;
  }
  int tiles() const { return tiles_x * tiles_y; }
  int first_segment() const { return (begin - origin) / segment; }
  int segments() const {
    return end > begin ? (end - 1 - origin) / segment - first_segment() + 1 : 0;
  }
  __device__ int segment_begin(int block) const {
    return max(origin + ((begin - origin) / segment + block) * segment, begin);
  }
  __device__ int segment_end(int block) const {
    return min(origin + ((begin - origin) / segment + block + 1) * segment, end);
  }
  dim3 blocks() const {
    return {static_cast<unsigned>(tiles_x), static_cast<unsigned>(tiles_y),
            static_cast<unsigned>(segments())};
  }
};

struct DeviceTaps {
  float weight[2 * ops::Taps::kMaximum + 1];
  explicit DeviceTaps(const ops::Taps& t) {
    for (int k = 0; k <= 2 * ops::Taps::kMaximum; ++k)
      weight[k] = k <= 2 * t.radius ? t.weight[k] : 0.0F;
  }
};

/// R: radius; X: tile width; Y: tile height; kRows: rows per thread, one below the other.
template <int R, int X, int Y, int kRows>
struct MarchShape {
  static constexpr int kRowsPerThread = kRows, kThreads = X * Y / kRows;
  static constexpr int K = 2 * R + 1;
  static constexpr int kTileX = X, kTileY = Y;
  static constexpr int kHaloX = X + 2 * R, kHaloY = kTileY + 2 * R;
  static constexpr int kPitch = X - 4 + (4 + 2 * R + 3) / 4 * 4;  ///< whole float4 per quad
  static constexpr int kColumns = (kHaloX * kHaloY + kThreads - 1) / kThreads;
  static constexpr int kTileFloats = kHaloY * kPitch;
  static constexpr int kRowFloats = kHaloY * X;
};

/// out[i] = sum_k w[k] v[i + k] for kCount neighbours; of a box, the taps that all share only once.
template <int R, int kCount, bool kBox>
__device__ inline void filter_run(const float* v, const float* w, float* out) {
  if constexpr (kBox && kCount == 4 && R >= 2) {
    float shared = v[3];
#pragma unroll
    for (int k = 4; k <= 2 * R; ++k) shared += v[k];
    const float a = v[1] + v[2], b = v[2 * R + 1] + v[2 * R + 2];
    out[0] = shared + (v[0] + a);
    out[1] = shared + (a + v[2 * R + 1]);
    out[2] = shared + (v[2] + b);
    out[3] = shared + (b + v[2 * R + 3]);
  } else if constexpr (kBox && kCount == 2 && R >= 1) {
    float shared = v[1];
#pragma unroll
    for (int k = 2; k <= 2 * R; ++k) shared += v[k];
    out[0] = v[0] + shared;
    out[1] = shared + v[2 * R + 1];
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      out[i] = kBox ? v[i] : w[0] * v[i];
#pragma unroll
      for (int k = 1; k <= 2 * R; ++k)
        out[i] = kBox ? out[i] + v[i + k] : fmaf(w[k], v[i + k], out[i]);
    }
  }
}

/// Sums along x of one quad: out[i] = sum_k w[k] in[i + k], i = 0…3, `in` 16-byte aligned.
template <int R, bool kBox>
__device__ inline float4 filter_quad(const float* in, const float* w) {
  constexpr int kReads = (4 + 2 * R + 3) / 4;
  float v[4 * kReads];
#pragma unroll
  for (int i = 0; i < kReads; ++i) {
    const float4 q = reinterpret_cast<const float4*>(in)[i];
    v[4 * i] = q.x;
    v[4 * i + 1] = q.y;
    v[4 * i + 2] = q.z;
    v[4 * i + 3] = q.w;
  }
  float o[4];
  filter_run<R, 4, kBox>(v, w, o);
  return {o[0], o[1], o[2], o[3]};
}

/// Sums along y of kRows consecutive rows at one x: out[i] = sum_k w[k] column[i + k].
template <int R, int kPitch, int kRows, bool kBox>
__device__ inline void filter_column(const float* column, const float* w, float (&out)[kRows]) {
  float v[kRows + 2 * R];
#pragma unroll
  for (int i = 0; i < kRows + 2 * R; ++i) v[i] = column[i * kPitch];
  filter_run<R, kRows, kBox>(v, w, out);
}

/// The filter along z: `in` is the plane that comes in, `done` the sums it completes; sum[i][k] is
/// complete after k + 1 more planes.
template <int R, bool kBox, int kRows>
__device__ inline void add_plane(const float* w, const float (&in)[kRows],
                                 float (&sum)[kRows][2 * R + 1], float (&done)[kRows]) {
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    done[i] = kBox ? sum[i][0] + in[i] : fmaf(w[2 * R], in[i], sum[i][0]);
#pragma unroll
    for (int k = 0; k < 2 * R - 1; ++k)
      sum[i][k] = kBox ? sum[i][k + 1] + in[i] : fmaf(w[2 * R - 1 - k], in[i], sum[i][k + 1]);
    if constexpr (R > 0) sum[i][2 * R - 1] = kBox ? in[i] : w[0] * in[i];
  }
}

template <int R, int X, int Y, int kRows, int kBlocksPerSm, class Op>
__global__ void __launch_bounds__(X* Y / kRows, kBlocksPerSm)
    march(const Op op, const MarchGrid grid, const DeviceTaps taps) {
  using Shape = MarchShape<R, X, Y, kRows>;
  constexpr int K = Shape::K, kColumns = Shape::kColumns;
  extern __shared__ __align__(16) float shared[];
  float* const tile = shared;                           // 3 × kTileFloats
  float* const rows = shared + 3 * Shape::kTileFloats;  // 3 × kRowFloats
  const int thread = static_cast<int>(threadIdx.x);
  const int tx = thread % X, ty = thread / X;
  const int x0 = static_cast<int>(blockIdx.x) * Shape::kTileX,
            y0 = static_cast<int>(blockIdx.y) * Shape::kTileY;
  const int z0 = grid.segment_begin(static_cast<int>(blockIdx.z)),
            z1 = grid.segment_end(static_cast<int>(blockIdx.z));

  // The columns of tile and halo that this thread brings in, clamped to the volume: where they are
  // in a plane, -1 where zeros are brought; where they go in the tile, -1 beyond the halo.
  int offset[kColumns], place[kColumns];
  unsigned xy[kColumns];  // x and y, for ops that ask
#pragma unroll
  for (int c = 0; c < kColumns; ++c) {
    const int e = thread + c * Shape::kThreads;
    const int row = e / Shape::kHaloX, column = e % Shape::kHaloX;
    const int x = x0 - R + column, y = y0 - R + row;
    const bool inside = x >= 0 && y >= 0 && x < grid.nx && y < grid.ny;
    const bool used = row < Shape::kHaloY;
    const int xc = min(max(x, 0), grid.nx - 1), yc = min(max(y, 0), grid.ny - 1);
    offset[c] = Op::kClamp || inside ? op.offset(xc, yc) : -1;
    xy[c] = static_cast<unsigned>(xc) | static_cast<unsigned>(yc) << 16U;
    place[c] = used ? row * Shape::kPitch + column : -1;
  }
  const auto load_plane = [&](int z, typename Op::Raw(&raw)[kColumns]) {
    const bool inside = Op::kClamp || (z >= 0 && z < grid.nz);
    const int zc = min(max(z, 0), grid.nz - 1);
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      if constexpr (Op::kClamp)
        raw[c] = op.load(offset[c], zc);
      else
        raw[c] = inside && offset[c] >= 0 ? op.load(offset[c], zc) : typename Op::Raw{};
    }
  };
  const int x = x0 + tx, first_row = y0 + ty * kRows;

  float sum[3][kRows][K];  // of the planes still to come: sum[…][k] is complete after k + 1 planes
#pragma unroll
  for (int q = 0; q < 3; ++q)
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int k = 0; k < K; ++k) sum[q][i][k] = 0;
  typename Op::State state{};
  typename Op::Raw raw[kColumns];
  load_plane(z0 - R, raw);
  for (int z = z0 - R; z < z1 + R; ++z) {
    const int zc = min(max(z, 0), grid.nz - 1), centre = z - R;
    typename Op::Ahead ahead[kRows];
    if (centre >= z0 && x < grid.nx) {
#pragma unroll
      for (int i = 0; i < kRows; ++i)
        if (first_row + i < grid.ny) ahead[i] = op.load_ahead(x, first_row + i, centre);
    }
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      // No branches but in the last round: what one column loads is on its way with the next one's.
      if (c == kColumns - 1 && place[c] < 0) continue;
      const math::Float3 v =
          op.value(raw[c], static_cast<int>(xy[c] & 0xffffU), static_cast<int>(xy[c] >> 16U), zc);
      float* to = tile + place[c];
      to[0] = v.x;
      to[Shape::kTileFloats] = v.y;
      to[2 * Shape::kTileFloats] = v.z;
    }
    __syncthreads();
    if (z + 1 < z1 + R) load_plane(z + 1, raw);  // arrives while this plane is filtered
    for (int e = thread; e < Shape::kHaloY * (X / 4); e += Shape::kThreads) {
      const int row = e / (X / 4), quad = e % (X / 4);
#pragma unroll
      for (int q = 0; q < 3; ++q)
        reinterpret_cast<float4*>(rows + q * Shape::kRowFloats + row * X)[quad] =
            filter_quad<R, Op::kBox>(tile + q * Shape::kTileFloats + row * Shape::kPitch + 4 * quad,
                                     taps.weight);
    }
    __syncthreads();
    float done[3][kRows];
#pragma unroll
    for (int q = 0; q < 3; ++q) {
      float in[kRows];
      filter_column<R, X, kRows, Op::kBox>(rows + q * Shape::kRowFloats + ty * kRows * X + tx,
                                           taps.weight, in);
      add_plane<R, Op::kBox>(taps.weight, in, sum[q], done[q]);
    }
    if (centre < z0 || x >= grid.nx) continue;
#pragma unroll
    for (int i = 0; i < kRows; ++i)
      if (first_row + i < grid.ny)
        op.sink(state, ahead[i], x, first_row + i, centre, {done[0][i], done[1][i], done[2][i]});
  }
  op.finish(state, thread, static_cast<int>(blockIdx.z),
            static_cast<int>(blockIdx.y) * grid.tiles_x + static_cast<int>(blockIdx.x),
            grid.tiles_x * grid.tiles_y);
}

/// The same taps with zeros around them: one kernel serves the radii below its own.
inline ops::Taps padded(const ops::Taps& taps, int radius) {
  ops::Taps out;
  out.radius = radius;
  const int room = radius - taps.radius;
  for (int k = 0; k <= 2 * radius; ++k)
    out.weight[k] = k < room || k > 2 * radius - room ? 0.0F : taps.weight[k - room];
  return out;
}

/// X, Y, kRows and kBlocksPerSm trade halo against occupancy.
template <int R, int X, int Y, int kRows, int kBlocksPerSm, class Op>
void launch_march(Device& device, const Op& op, const ops::Extent& extent, ops::ZRange range,
                  const ops::Taps& taps, const char* name) {
  using Shape = MarchShape<R, X, Y, kRows>;
  const MarchGrid grid(extent, range, Shape::kTileX, Shape::kTileY);
  if (grid.segments() == 0) return;
  constexpr std::size_t kBytes = sizeof(float) * 3 * (Shape::kTileFloats + Shape::kRowFloats);
  const auto kernel = march<R, X, Y, kRows, kBlocksPerSm, Op>;
  static_assert(kBytes <= 100 * 1024);
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(kBytes)),
        name);
  kernel<<<grid.blocks(), Shape::kThreads, kBytes, device.stream()>>>(op, grid, DeviceTaps(taps));
  check_launch(name);
}

}  // namespace gigawarp::cuda

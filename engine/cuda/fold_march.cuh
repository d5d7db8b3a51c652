#pragma once
#include <cstdint>

#include "cuda/device_view.cuh"
#include "math/packed.h"
#include "ops/view.h"

/// det(I + grad u) of compact displacements, and bitmaps of voxels: words of 32 voxels along x,
/// rows padded to whole words.
namespace gigawarp::cuda {

/// The displacement, and where its voxels' bits are. Planes beyond those stored are not touched.
struct FoldField {
  std::uint64_t* u;
  std::int64_t stride_y, stride_z;
  int nx, ny, nz;  ///< nz: planes stored; z counts from the first of them
  int words;       ///< of a row

  explicit FoldField(const ops::SlabView<std::uint64_t>& v)
      : u(v.data),
        stride_y(v.extent.stride_y),
        stride_z(v.extent.stride_z),
        nx(static_cast<int>(v.extent.nx)),
        ny(static_cast<int>(v.extent.ny)),
        nz(static_cast<int>(v.extent.z_end - v.extent.z_begin)),
        words((nx + 31) / 32) {}

  GIGAWARP_HD_MEMBER std::int64_t all_words() const {
    return static_cast<std::int64_t>(nz) * ny * words;
  }

#if defined(__CUDACC__)
  __device__ std::int64_t at(int x, int y, int z) const { return z * stride_z + y * stride_y + x; }
  __device__ math::Float3 steps(int x, int y, int z) const {
    return math::unpack_vector_steps(u[at(x, y, z)]);
  }
  __device__ std::int64_t word(int column, int y, int z) const {
    return (static_cast<std::int64_t>(z) * ny + y) * words + column;
  }
  /// Bits of voxels inside the grid in a word.
  __device__ unsigned inside(int column) const {
    const int left = nx - 32 * column;
    return left >= 32 ? 0xffffffffU : (1U << left) - 1U;
  }
#endif
};

#if defined(__CUDACC__)

/// In differences over two voxels, the identity is this many steps; determinants are its cube
/// larger. Both are powers of two: no rounding but that of the determinant itself.
constexpr float kIdentitySteps = 2 * math::kPackedSteps;

__device__ inline math::Float3 difference(const math::Float3& high, const math::Float3& low,
                                          bool one_sided) {
  const float s = one_sided ? 2.0F : 1.0F;
  return {(high.x - low.x) * s, (high.y - low.y) * s, (high.z - low.z) * s};
}

/// det(I + grad u) · kIdentitySteps³ from the differences along x, y and z.
__device__ inline float determinant_steps(const math::Float3& x, const math::Float3& y,
                                          const math::Float3& z) {
  const float a = x.x + kIdentitySteps, b = y.x, c = z.x;
  const float p = x.y, q = y.y + kIdentitySteps, r = z.y;
  const float s = x.z, t = y.z, v = z.z + kIdentitySteps;
  return a * (q * v - r * t) - b * (p * v - r * s) + c * (p * t - q * s);
}

/// u in steps and an offset that differences do not have.
__device__ inline math::Float3 offset_steps(math::PackedVector w) {
  const auto mantissa = [](std::uint32_t bits) { return __uint_as_float(bits | 0x4b000000U); };
  return {mantissa(static_cast<std::uint32_t>(w) & math::kPackedMask),
          mantissa(static_cast<std::uint32_t>(w >> 21U) & math::kPackedMask),
          mantissa(static_cast<std::uint32_t>(w >> 42U))};
}

/// The same at any voxel, from memory.
__device__ inline float determinant_at(const FoldField& f, int x, int y, int z) {
  const int xm = max(x - 1, 0), xp = min(x + 1, f.nx - 1), ym = max(y - 1, 0),
            yp = min(y + 1, f.ny - 1), zm = max(z - 1, 0), zp = min(z + 1, f.nz - 1);
  return determinant_steps(difference(f.steps(xp, y, z), f.steps(xm, y, z), xp - xm < 2),
                           difference(f.steps(x, yp, z), f.steps(x, ym, z), yp - ym < 2),
                           difference(f.steps(x, y, zp), f.steps(x, y, zm), zp - zm < 2));
}

constexpr int kFoldColumns = 32;  ///< a warp's, and a word's
constexpr int kFoldWarps = 8;
constexpr int kFoldRowsPerThread = 4;
constexpr int kFoldRows = kFoldWarps * kFoldRowsPerThread;
constexpr int kFoldPlanes = 32;  ///< of a block

/// Per voxel: reads u once (8 bytes; halo of one voxel around 32 × 32 columns), writes one bit.
/// Marches along z; three planes of the thread's own four rows lie in registers, the middle one
/// with its halo in shared memory, and the plane after next is on its way. `found` counts voxels
/// below.
__global__ void __launch_bounds__(kFoldColumns* kFoldWarps, 3)
    mark_folds(const __grid_constant__ FoldField f, int z_begin, int z_end, float minimum_steps,
               unsigned* bits, unsigned long long* found) {
  constexpr int kWidth = kFoldColumns + 2, kHeight = kFoldRows + 2;
  __shared__ float2 tiles_xy[2][kHeight][kWidth];  // by planes even and odd: one barrier each
  __shared__ float tiles_z[2][kHeight][kWidth];
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  const int x0 = static_cast<int>(blockIdx.x) * kFoldColumns,
            y0 = static_cast<int>(blockIdx.y) * kFoldRows;
  const int first = z_begin + static_cast<int>(blockIdx.z) * kFoldPlanes,
            last = min(first + kFoldPlanes, z_end);
  const int x = min(x0 + lane, f.nx - 1);
  // Threads 0…127 bring one word of the halo each: rows above and below, columns left and right.
  const int t = warp * kFoldColumns + lane;
  const bool brings = t < 2 * kFoldColumns + 2 * kFoldRows;
  int tile_row, tile_column;
  if (t < 2 * kFoldColumns) {
    tile_row = t < kFoldColumns ? 0 : kHeight - 1;
    tile_column = 1 + (t & (kFoldColumns - 1));
  } else {
    tile_row = 1 + ((t - 2 * kFoldColumns) & (kFoldRows - 1));
    tile_column = t - 2 * kFoldColumns < kFoldRows ? 0 : kWidth - 1;
  }
  const auto in_plane = [&f](int x, int y) { return static_cast<unsigned>(y * f.stride_y + x); };
  const auto plane = [&f](int z) { return whole(f.u + min(max(z, 0), f.nz - 1) * f.stride_z); };
  const unsigned halo_at = in_plane(min(max(x0 + tile_column - 1, 0), f.nx - 1),
                                    min(max(y0 + tile_row - 1, 0), f.ny - 1));
  unsigned at[kFoldRowsPerThread];
  math::Float3 before[kFoldRowsPerThread], here[kFoldRowsPerThread], after[kFoldRowsPerThread];
  std::uint64_t ahead[kFoldRowsPerThread], halo = 0, halo_ahead = 0;
#pragma unroll
  for (int k = 0; k < kFoldRowsPerThread; ++k) {
    at[k] = in_plane(x, min(y0 + warp * kFoldRowsPerThread + k, f.ny - 1));
    before[k] = offset_steps(plane(first - 1)[at[k]]);
    here[k] = offset_steps(plane(first)[at[k]]);
    ahead[k] = plane(first + 1)[at[k]];
  }
  if (brings) halo = plane(first)[halo_at];
  const bool edge_x = x == 0 || x == f.nx - 1;
  // Of the volume: elsewhere no difference is one-sided.
  const bool edge_block = x0 == 0 || y0 == 0 || x0 + kFoldColumns >= f.nx || y0 + kFoldRows >= f.ny;
  unsigned mine = 0;
  for (int z = first; z < last; ++z) {
    auto& tile_xy = tiles_xy[z & 1];
    auto& tile_z = tiles_z[z & 1];
    const std::uint64_t* next = plane(min(z + 2, last));  // nothing beyond the halo is touched
#pragma unroll
    for (int k = 0; k < kFoldRowsPerThread; ++k) {
      after[k] = offset_steps(ahead[k]);
      const int row = 1 + warp * kFoldRowsPerThread + k;
      tile_xy[row][lane + 1] = make_float2(here[k].x, here[k].y);
      tile_z[row][lane + 1] = here[k].z;
      ahead[k] = next[at[k]];
    }
    if (brings) {
      const math::Float3 v = offset_steps(halo);
      tile_xy[tile_row][tile_column] = make_float2(v.x, v.y);
      tile_z[tile_row][tile_column] = v.z;
      halo_ahead = plane(min(z + 1, last - 1))[halo_at];
    }
    __syncthreads();
    const auto from_tile = [&](int row, int column) {
      const float2 v = tile_xy[row][column];
      return math::Float3{v.x, v.y, tile_z[row][column]};
    };
    const bool edge_z = z == 0 || z == f.nz - 1;
#pragma unroll
    for (int k = 0; k < kFoldRowsPerThread; ++k) {
      const int row = 1 + warp * kFoldRowsPerThread + k;
      const math::Float3 up = k > 0 ? here[k - 1 < 0 ? 0 : k - 1] : from_tile(row - 1, lane + 1);
      const math::Float3 down = k + 1 < kFoldRowsPerThread
                                    ? here[k + 1 < kFoldRowsPerThread ? k + 1 : 0]
                                    : from_tile(row + 1, lane + 1);
      math::Float3 dx = difference(from_tile(row, lane + 2), from_tile(row, lane), false),
                   dy = difference(down, up, false), dz = difference(after[k], before[k], false);
      const int true_y = y0 + warp * kFoldRowsPerThread + k;
      if (edge_block || edge_z) {
        const auto scale = [](math::Float3& v, bool one_sided) {
          const float s = one_sided ? 2.0F : 1.0F;
          v = {v.x * s, v.y * s, v.z * s};
        };
        scale(dx, edge_x);
        scale(dy, true_y == 0 || true_y >= f.ny - 1);
        scale(dz, edge_z);
      }
      const float d = determinant_steps(dx, dy, dz);
      const bool below = x0 + lane < f.nx && true_y < f.ny && !(d >= minimum_steps);
      const unsigned word = __ballot_sync(0xffffffffU, below);
      if (lane == 0 && true_y < f.ny) bits[f.word(static_cast<int>(blockIdx.x), true_y, z)] = word;
      mine += static_cast<unsigned>(__popc(word));
    }
#pragma unroll
    for (int k = 0; k < kFoldRowsPerThread; ++k) {
      before[k] = here[k];
      here[k] = after[k];
    }
    halo = halo_ahead;
  }
  if (lane == 0 && mine != 0) atomicAdd(found, static_cast<unsigned long long>(mine));
}

#endif

}  // namespace gigawarp::cuda

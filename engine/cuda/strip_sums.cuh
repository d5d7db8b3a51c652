#pragma once
#include <cstddef>
#include <cstdint>

#include "cuda/quads.cuh"
#include "ops/view.h"

/// Window sums in strips of 128 columns, a quad of them to a lane. A block marches along z with a
/// tile and its halo: sums along z lie in registers, in whole numbers that run exactly (a plane
/// comes in, one goes out, read once more from the cache); those along x are made of them by
/// shuffles and go to shared memory, where sums along y run down the columns in fp32. Two numbers
/// in, five sums out.
namespace gigawarp::cuda {

/// The tiles of a launch, and what each block does of them: the same number of planes, one tile
/// after the other.
struct StripPlan {
  int nx, ny, nz, begin, end;
  int tiles_x, tiles_y, rows;  ///< of a tile, all as high
  int buffers;                 ///< of sums along x: with two, one barrier to a plane

  StripPlan(const ops::Extent& e, ops::ZRange planes, int columns, int most_rows, int buffers_of)
      : nx(static_cast<int>(e.nx)),
        ny(static_cast<int>(e.ny)),
        nz(static_cast<int>(e.nz)),
        begin(static_cast<int>(planes.begin)),
        end(static_cast<int>(planes.end)),
        tiles_x((nx + columns - 1) / columns),
        tiles_y((ny + most_rows - 1) / most_rows),
        rows((ny + tiles_y - 1) / tiles_y),
        buffers(buffers_of) {}
  GIGAWARP_HD_MEMBER std::int64_t all() const {
    return std::int64_t{end - begin} * tiles_x * tiles_y;
  }
};

/// How a block's warps share a tile: each brings kBrought rows of it and its halo, and finishes a
/// part of its rows for a quarter of the strip.
template <int R, int kWarps, bool kAllCount>
struct StripWindows {
  static constexpr int kBrought = 2, K = 2 * R + 1;
  /// The number of a window's voxels rides on the sum of F: kShift bits higher, where that leaves
  /// room in 32 bits; in wide windows it is a sum of its own.
  static constexpr bool kRides = !kAllCount && R <= 3;
  static constexpr int kShift = R <= 2 ? 21 : 22;  ///< (2R + 1)³ · reach < 2^(kShift - 1)
  static constexpr int kSums = kAllCount || kRides ? 5 : 6;  ///< F (and n), M, FF, MM, FM, n
  static constexpr int kHaloRows = kWarps * kBrought, kMostRows = kHaloRows - 2 * R;
  static constexpr int kLanesBeyond = (R + 3) / 4;  ///< on either side, whose windows are not whole
  static constexpr int kColumns = kStripColumns - 8 * kLanesBeyond;
  static constexpr int kGroups = kWarps / 4, kGroupRows = (kMostRows + kGroups - 1) / kGroups;
  static constexpr int kPlane = kHaloRows * kStripColumns;  ///< of one sum
  /// A plane's sums, and what groups read that finish rows beyond those of a tile.
  static constexpr int kBuffer =
      kSums * kPlane + (kGroups * kGroupRows - kMostRows) * kStripColumns;
  static constexpr int kSizes = kAllCount ? kGroups * kGroupRows : 0;  ///< a float4 for each
  static constexpr std::size_t bytes(int buffers) {
    return sizeof(float) * static_cast<std::size_t>(4 * kSizes + buffers * kBuffer);
  }
};

/// Sums along z of a quad of columns, in steps: one plane comes in, one goes out. With d = in - out
/// and e = in + out, differences of products are d·e; FM is twice its sum, so that they serve it
/// too.
template <class Shape>
struct QuadSums {
  int sum[Shape::kSums][4] = {};

  template <class Words>
  __device__ void move(const Words& words, unsigned held, const typename Words::RawQuad& in,
                       const typename Words::RawQuad& out) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      int a, b, c, d;
      const int more =
          words.biased_steps(held, in, i, a, b) - words.biased_steps(held, out, i, c, d);
      constexpr int kTwice = static_cast<int>(2U * static_cast<unsigned>(Words::kBias));
      const int f = a - c, f_both = a + c - kTwice, m = b - d, m_both = b + d - kTwice;
      sum[0][i] += Shape::kRides ? f + (more << Shape::kShift) : f;
      sum[1][i] += m;
      sum[2][i] += f * f_both;
      sum[3][i] += m * m_both;
      sum[4][i] += f * m_both;
      sum[4][i] += f_both * m;
      if constexpr (Shape::kSums == 6) sum[5][i] += more;
    }
  }
};

/// Windows of one column, row after row, from the sums along x.
template <class Shape>
class ColumnWindows {
 public:
  /// `from`: of the first window's first row.
  __device__ explicit ColumnWindows(const float* from) : from_(from) {
#pragma unroll
    for (int k = 0; k < Shape::K - 1; ++k) change(k, 1);
  }
  __device__ void enter(int row) { change(row + Shape::K - 1, 1); }
  __device__ void leave(int row) { change(row, -1); }
  /// F, M, FF, MM, FM, and the number of voxels that count (without kAllCount).
  __device__ float read(float (&sum)[5]) const {
#pragma unroll
    for (int q = 0; q < 5; ++q) sum[q] = s_[q];
    sum[4] *= 0.5F;
    if constexpr (Shape::kRides) {
      const int f = both_ << (32 - Shape::kShift) >> (32 - Shape::kShift);
      sum[0] = static_cast<float>(f);
      return fmaxf(static_cast<float>((both_ - f) >> Shape::kShift), 1.0F);
    }
    return fmaxf(s_[Shape::kSums - 1], 1.0F);
  }

 private:
  __device__ void change(int row, int sign) {
    const float* const at = from_ + row * kStripColumns;
    if constexpr (Shape::kRides) both_ += sign * __float_as_int(at[0]);
#pragma unroll
    for (int q = Shape::kRides ? 1 : 0; q < Shape::kSums; ++q)
      s_[q] += static_cast<float>(sign) * at[q * Shape::kPlane];
  }

  const float* from_;
  float s_[Shape::kSums] = {};
  int both_ = 0;  ///< of F and n, where n rides
};

/// What a thread has to do with a tile.
template <class Shape, class Words>
struct StripPlace {
  int x, y;      ///< the column it finishes, and the first of its rows there
  int rows;      ///< how many it finishes, zero or less where its columns are others'
  int halo_row;  ///< the first that it brings, counted from the top of the halo
  bool brings[Shape::kBrought];
  unsigned at[Shape::kBrought];  ///< quad_at() those

  __device__ StripPlace(const Words& words, const StripPlan& plan, int tile) {
    constexpr int kBeyond = 4 * Shape::kLanesBeyond, kR = Shape::K / 2;
    const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
    const int column = (warp & 3) * 32 + lane, row = (warp >> 2) * Shape::kGroupRows;
    const int left = tile % plan.tiles_x * Shape::kColumns - kBeyond,
              y0 = tile / plan.tiles_x * plan.rows;
    x = left + column;
    y = y0 + row;
    const bool own = column >= kBeyond && column < kStripColumns - kBeyond && x < plan.nx;
    rows = own ? min(plan.rows, plan.ny - y0) - row : 0;
    halo_row = warp * Shape::kBrought;
    // Columns beyond the volume, and rows that no window of the tile has, add nothing.
    const int quad = left + 4 * lane;
#pragma unroll
    for (int k = 0; k < Shape::kBrought; ++k) {
      const int brought = y0 - kR + halo_row + k;
      brings[k] = quad >= 0 && quad < plan.nx && brought >= 0 &&
                  brought < min(plan.ny, y0 + plan.rows + kR);
      at[k] = words.quad_at(quad, brought);
    }
  }
  /// The quads of plane z, which is one of [first, end); of others, what adds nothing.
  __device__ void load(const Words& words, int z, int first, int end,
                       typename Words::RawQuad (&quads)[Shape::kBrought]) const {
#pragma unroll
    for (int k = 0; k < Shape::kBrought; ++k) quads[k] = words.none();
    if (z < first || z >= end) return;  // the same for all threads
    const auto plane = words.quads(z);
#pragma unroll
    for (int k = 0; k < Shape::kBrought; ++k)
      if (brings[k]) quads[k] = plane(at[k]);
  }
};

/// Sums along x of a row that a warp brought. `to`: of the first sum, where the lane's quad goes.
template <int R, class Shape>
__device__ inline void store_row_windows(const QuadSums<Shape>& sums, float* to) {
#pragma unroll
  for (int q = 0; q < Shape::kSums; ++q) {
    int windows[4];
    sum_windows<R>(sums.sum[q], windows);
    float* const here = to + q * Shape::kPlane;
    if (Shape::kRides && q == 0)
      *reinterpret_cast<int4*>(here) = {windows[0], windows[1], windows[2], windows[3]};
    else
      *reinterpret_cast<float4*>(here) = {
          static_cast<float>(windows[0]), static_cast<float>(windows[1]),
          static_cast<float>(windows[2]), static_cast<float>(windows[3])};
  }
}

}  // namespace gigawarp::cuda

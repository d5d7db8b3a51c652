#pragma once
#include <cstddef>
#include <cstdint>

#include "cuda/lncc_windows.cuh"
#include "cuda/quads.cuh"

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

/// How many voxels of [0, n) are within R of i; at least one.
template <int R>
__device__ inline float voxels_within(int i, int n) {
  return static_cast<float>(max(min(i + R, n - 1) - max(i - R, 0) + 1, 1));
}

/// The part of a window's size that is a factor of its own along an axis, where every voxel counts:
/// of n, 1/n, n², and n where coefficients are not divided by it.
struct SizeFactor {
  float inverse, square, factor;

  template <class Words>
  __device__ SizeFactor(const WindowArgs<Words>& args, float n)
      : inverse(math::quick_quotient(1.0F, n)),
        square(n * n),
        factor(fmaf(args.undivided, n - 1.0F, 1.0F)) {}
  __device__ explicit SizeFactor(const float4& v) : inverse(v.x), square(v.y), factor(v.z) {}
  __device__ float4 kept() const { return {inverse, square, factor, 0}; }
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

/// What a thread's rows need beside their windows, loaded ahead.
template <class Shape, Outcome kOutcome, class Words>
struct StripAhead {
  static constexpr bool kGradient = kOutcome == Outcome::field;
  static constexpr bool kWord = !Words::kAllCount || kGradient || kOutcome == Outcome::intensity;
  std::uint32_t word[kWord ? Shape::kGroupRows : 1];
  std::uint64_t gradient[kGradient ? Shape::kGroupRows : 1];

  __device__ StripAhead(const WindowArgs<Words>& args, const StripPlace<Shape, Words>& place,
                        int z) {
    if constexpr (kWord) {
      typename Words::Raw raw[Shape::kGroupRows] = {};
      const auto plane = args.words.plane(z);
      const auto at = static_cast<unsigned>(place.y * args.words.stride_y() + place.x);
#pragma unroll
      for (int i = 0; i < Shape::kGroupRows; ++i)
        if (i < place.rows) raw[i] = plane(at + static_cast<unsigned>(i * args.words.stride_y()));
#pragma unroll
      for (int i = 0; i < Shape::kGroupRows; ++i) word[i] = args.words.word(raw[i]);
    }
    if constexpr (kGradient) {
      const std::uint64_t* const at = whole(args.gradients.at(place.x, place.y, z));
#pragma unroll
      for (int i = 0; i < Shape::kGroupRows; ++i)
        if (i < place.rows) gradient[i] = at[i * args.gradients.stride_y];
    }
  }
};

/// Whether nothing branches while a plane is worked on, so that rows hide one another's waiting:
/// what looks at more than its windows has no registers left for that.
constexpr bool overlaps(Outcome outcome) {
  return outcome == Outcome::value || outcome == Outcome::coefficients;
}

/// Finishes a thread's rows of plane z; `sizes`: of each row; `here`: the sums along x. Returns
/// their part of the value. Where it overlaps(), rows beyond the thread's are worked out as well,
/// and dropped.
template <int R, class Shape, Outcome kOutcome, class Words>
__device__ inline int finish_rows(const WindowArgs<Words>& args, const StripPlan& plan,
                                  const StripPlace<Shape, Words>& place, const float4* sizes,
                                  const float* here, int z,
                                  const StripAhead<Shape, kOutcome, Words>& ahead) {
  using Ahead = StripAhead<Shape, kOutcome, Words>;
  std::uint64_t* to = nullptr;
  if constexpr (kOutcome == Outcome::coefficients)
    to = whole(args.coefficients.plane(z)) + (place.y * args.coefficients.stride_y + place.x);
  ColumnWindows<Shape> windows(here);
  const SizeFactor others(
      args,
      Words::kAllCount ? voxels_within<R>(place.x, plan.nx) * voxels_within<R>(z, plan.nz) : 1.0F);
  int value = 0;
#pragma unroll
  for (int i = 0; i < Shape::kGroupRows; ++i) {
    if (!overlaps(kOutcome) && i >= place.rows) break;
    windows.enter(i);
    float sum[5];
    const float n = windows.read(sum);
    const WindowSize size = [&] {
      if constexpr (Words::kAllCount) {
        const SizeFactor own(sizes[i]);
        return WindowSize(args, own.inverse * others.inverse, own.square * others.square,
                          own.factor * others.factor);
      } else {
        return WindowSize(args, n);
      }
    }();
    value += finish_window<kOutcome>(args, i < place.rows, to + i * args.coefficients.stride_y,
                                     ahead.gradient[Ahead::kGradient ? i : 0],
                                     Ahead::kWord ? ahead.word[i] : ~kNotCounted, place.x,
                                     place.y + i, z, size, sum);
    if (i + 1 < Shape::kGroupRows) windows.leave(i);
  }
  return value;
}

template <int R, int kWarps, Outcome kOutcome, class Words>
__global__ void __launch_bounds__(32 * kWarps, 1)
    strip_windows(const __grid_constant__ WindowArgs<Words> args,
                  const __grid_constant__ StripPlan plan) {
  using Shape = StripWindows<R, kWarps, Words::kAllCount>;
  constexpr int K = Shape::K, kBrought = Shape::kBrought;
  extern __shared__ __align__(16) float shared_floats[];
  float4* const sizes = reinterpret_cast<float4*>(shared_floats);  // of windows, row by row
  float* const shared = shared_floats + 4 * Shape::kSizes;
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  const int mine = (warp >> 2) * Shape::kGroupRows * kStripColumns + (warp & 3) * 32 + lane;
  const int planes = plan.end - plan.begin;
  const unsigned held = args.words.held();
  std::int64_t next = plan.all() * blockIdx.x / gridDim.x;
  const std::int64_t until = plan.all() * (blockIdx.x + 1) / gridDim.x;
  long long value = 0;
  int buffer = 0;
  while (next < until) {
    const int tile = static_cast<int>(next / planes), first = static_cast<int>(next % planes);
    const int count =
        static_cast<int>(min(static_cast<std::int64_t>(planes - first), until - next));
    const int z0 = plan.begin + first, z1 = z0 + count;
    next += count;
    const StripPlace<Shape, Words> place(args.words, plan, tile);
    if constexpr (Words::kAllCount) {
      __syncthreads();  // nobody reads the last tile's any more
      const int row = warp * 32 + lane;
      if (row < Shape::kSizes)
        sizes[row] =
            SizeFactor(args, voxels_within<R>(tile / plan.tiles_x * plan.rows + row, plan.ny))
                .kept();
    }
    const int lowest = max(z0 - R, 0), end = min(z1 + R, plan.nz);
    QuadSums<Shape> sums[kBrought];
    typename Words::RawQuad incoming[kBrought], outgoing[kBrought];
    const auto load = [&](int z) {
      place.load(args.words, z, lowest, end, incoming);
      place.load(args.words, z - K, lowest, end, outgoing);
    };
    load(z0 - R);
    for (int z = z0 - R; z < z0 + R; ++z) {
#pragma unroll
      for (int k = 0; k < kBrought; ++k) sums[k].move(args.words, held, incoming[k], outgoing[k]);
      load(z + 1);
    }
    for (int centre = z0; centre < z1; ++centre) {
      float* const here = shared + buffer * Shape::kBuffer;
      buffer ^= plan.buffers - 1;
      const auto move = [&](int k) { sums[k].move(args.words, held, incoming[k], outgoing[k]); };
      const auto store = [&](int k) {
        store_row_windows<R>(sums[k], here + (place.halo_row + k) * kStripColumns + 4 * lane);
      };
      // Making steps of images is work for a row's shuffles to overlap with; what needs little of
      // it is better loaded early.
      constexpr bool kRowByRow = Words::kAllCount && overlaps(kOutcome);
#pragma unroll
      for (int k = 0; k < kBrought; ++k) {
        move(k);
        if constexpr (kRowByRow) store(k);
      }
      load(centre + R + 1);
      if constexpr (!kRowByRow) {
#pragma unroll
        for (int k = 0; k < kBrought; ++k) store(k);
      }
      const StripAhead<Shape, kOutcome, Words> ahead(args, place, centre);
      __syncthreads();
      if (place.rows > 0) {
        const int part = finish_rows<R>(args, plan, place, sizes + (warp >> 2) * Shape::kGroupRows,
                                        here + mine, centre, ahead);
        if (centre >= args.range_begin && centre < args.range_end) value += part;
      }
      if (plan.buffers == 1) __syncthreads();  // nobody reads this plane's sums any more
    }
    // Nobody else counts where there is no ring to be filled, and there every voxel counts.
    if (Words::kAllCount && tile == 0 && lane == 0 && warp == 0) {
      const int counted = min(z1, args.range_end) - max(z0, args.range_begin);
      if (counted > 0)
        atomicAdd(&args.totals->count, static_cast<unsigned long long>(counted) *
                                           static_cast<unsigned>(plan.nx) *
                                           static_cast<unsigned>(plan.ny));
    }
  }
  add_value(args.totals, value);
}

}  // namespace gigawarp::cuda

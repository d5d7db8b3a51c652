#pragma once
#include <cstddef>
#include <cstdint>

#include "cuda/lncc_windows.cuh"
#include "cuda/strip_sums.cuh"

/// LNCC's windows in strips: what becomes of their sums.
namespace gigawarp::cuda {

/// How many voxels of [0, n) are within R of i; at least one.
template <int R>
__device__ inline float voxels_within(int i, int n) {
  return static_cast<float>(max(min(i + R, n - 1) - max(i - R, 0) + 1, 1));
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
        return WindowSize(args, SizeFactor(sizes[i]) * others);
      } else {
        return WindowSize(args, SizeFactor(args, n));
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
    const auto move = [&](int k) { sums[k].move(args.words, held, incoming[k], outgoing[k]); };
    load(z0 - R);
    for (int z = z0 - R; z < z0 + R; ++z) {
#pragma unroll
      for (int k = 0; k < kBrought; ++k) move(k);
      load(z + 1);
    }
    for (int centre = z0; centre < z1; ++centre) {
      float* const here = shared + buffer * Shape::kBuffer;
      buffer ^= plan.buffers - 1;
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

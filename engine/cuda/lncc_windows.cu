#include <cstdint>
#include <type_traits>

#include "cuda/lncc.cuh"
#include "math/metric.h"

/// LNCC, second pass. The march adds up along z first, by integers that run exactly (a plane comes
/// in, one goes out, read once more from the cache), then along x in shared memory, still in
/// integers, whose additions take three numbers at once, and along y in fp32: two numbers in, five
/// sums out. The approximate gradient takes each voxel's own coefficients alone and is delivered
/// here.
namespace gigawarp::cuda {
namespace {

/// Words: RingWords or ImageWords.
template <class Words>
struct WindowArgs {
  Words words;
  CoefficientRing coefficients;
  int range_begin, range_end;
  float epsilon;
  float steps;  ///< IntensitySteps::steps
  bool whole;   ///< coefficients not divided by the window's weight (approximate gradient)
  bool store;
  LnccTotals* totals;
  // Of the approximate gradient.
  DeviceTarget target;
  GradientRing gradients;
  float scale;
};

/// What is made of a window: coefficients for the third pass, or the approximate gradient.
enum class Outcome { coefficients, field, intensity };

/// math::lncc_coefficients() of sums in steps over `n` voxels, without dividing them first: c, a
/// and b are (n·steps)² larger, ε (n·steps)⁴.
struct WindowNumbers {
  float c, a, b, e, d, weight;

  template <class Words>
  __device__ WindowNumbers(const WindowArgs<Words>& args, float n, const float (&sum)[5]) {
    weight = n * args.steps;
    const float square = weight * weight;
    e = args.epsilon * square * square;
    c = fmaf(n, sum[4], -sum[0] * sum[1]);
    a = fmaxf(fmaf(n, sum[2], -sum[0] * sum[0]), 0.0F);
    b = fmaxf(fmaf(n, sum[3], -sum[1] * sum[1]), 0.0F);
    d = math::quick_quotient(1.0F, fmaf(a, b, e));
  }
  __device__ float matched() const { return fmaf(c, c, e) * d; }
  /// p/n, q/n, r/n in steps; of the approximate gradient p, q, r.
  __device__ math::Float3 coefficients(bool whole, float n, const float (&sum)[5]) const {
    const float k = 2.0F * weight * d * (whole ? n : 1.0F);
    const float p = c * k, q = matched() * a * k;
    return {p, q, (q * sum[1] - p * sum[0]) * math::quick_quotient(1.0F, n)};
  }
  /// The voxel's cc in steps of 2^-22, rounded by adding it to a large number, which leaves it in
  /// the low bits.
  __device__ int value() const {
    const float cc = matched() - math::quick_quotient(e, fmaf(a, a, e));
    return __float_as_int(fmaf(cc, kLnccSteps, kFloorMagic)) - kFloorBits;
  }
};

/// What becomes of the window of one voxel, whose word is `own`: nothing where it does not count.
/// Returns its part of the value.
/// `coefficients`: where they go; `gradient`: of M, what dL/dM is multiplied with.
template <Outcome kOutcome, class Words>
__device__ inline int finish_window(const WindowArgs<Words>& args, std::uint64_t* coefficients,
                                    std::uint64_t gradient, std::uint32_t own, int x, int y, int z,
                                    float n, const float (&sum)[5]) {
  const int mask = static_cast<std::int32_t>(own) >> 31;  // is_counted(), in every bit
  const WindowNumbers w(args, n, sum);
  if constexpr (kOutcome == Outcome::coefficients) {
    if (args.store) {
      const math::Float3 v = w.coefficients(args.whole, n, sum);
      *coefficients =
          math::pack_floats(v.x, v.y, v.z) & static_cast<std::uint64_t>(std::int64_t{mask});
    }
  } else {
    const math::Float3 v = w.coefficients(true, n, sum);
    const float f = static_cast<float>(fixed_steps(own)), m = static_cast<float>(moving_steps(own));
    const float dl_dm = is_counted(own) ? args.scale * (f * v.x - m * v.y + v.z) : 0.0F;
    if constexpr (kOutcome == Outcome::intensity) {
      *args.target.intensity.at(x, y, z) = args.target.weight * dl_dm;
    } else {
      ThreadSums none;
      deliver_product<TargetKind::field>(args.target, x, y, z, math::unpack_floats(gradient), dl_dm,
                                         none);
    }
  }
  return w.value() & mask;
}

__device__ inline void add_value(LnccTotals* totals, long long steps) {
#pragma unroll
  for (int s = 16; s > 0; s >>= 1) steps += __shfl_down_sync(0xffffffffU, steps, s);
  if (((threadIdx.y * blockDim.x + threadIdx.x) & 31U) == 0 && steps != 0)
    atomicAdd(&totals->value, static_cast<unsigned long long>(steps));
}

constexpr int kRows = 4;  ///< of a thread, one below the other

/// The number of a window's voxels rides on the sum of F: kShift bits higher, where that leaves
/// room in 32 bits; in wide windows it is a sum of its own. So windows at the edge of what counts
/// take no longer than others: a launch is as slow as its slowest block.
template <int R, int Y, bool kKept>
struct WindowShape : MarchShape<R, 32, Y, kRows> {
  using Base = MarchShape<R, 32, Y, kRows>;
  static constexpr bool kRides = R <= 3;
  static constexpr int kShift = R <= 2 ? 21 : 22;  ///< (2R + 1)³ · reach < 2^(kShift - 1)
  static constexpr int kSums = kRides ? 5 : 6;     ///< F and what rides on it, M, FF, MM, FM, n
  static constexpr int kHalo = Base::kHaloX * Base::kHaloY;
  static constexpr int kSumFloats = kSums * (Base::kTileFloats + Base::kRowFloats);
  /// The words of the last K planes stay in shared memory where that leaves enough blocks: what
  /// leaves the window and what stands in its middle are not loaded again.
  static constexpr int kKeptWords = kKept ? Base::K * kHalo : 0;
  static constexpr std::size_t kBytes = sizeof(float) * (kSumFloats + kKeptWords);
};

/// Sums along z of one column, in steps.
struct ColumnSums {
  int n = 0, f = 0, m = 0, ff = 0, mm = 0, fm = 0;
  /// One plane comes in, one goes out. kShift: n is part of f; 0: a sum of its own.
  template <int kShift>
  __device__ void move(std::uint32_t in, std::uint32_t out) {
    const int a = fixed_steps(in), b = moving_steps(in), c = fixed_steps(out),
              d = moving_steps(out);
    const int more = static_cast<int>(in >> 31U) - static_cast<int>(out >> 31U);
    if constexpr (kShift > 0)
      f += more * (1 << kShift);
    else
      n += more;
    f += a - c;
    m += b - d;
    ff += a * a - c * c;
    mm += b * b - d * d;
    fm += a * b - c * d;
  }
};

template <int R, int Y, bool kKept, int kBlocks, Outcome kOutcome, class Words>
__global__ void __launch_bounds__(32 * Y / kRows, kBlocks)
    window_kernel(const __grid_constant__ WindowArgs<Words> args,
                  const __grid_constant__ MarchGrid grid) {
  using Shape = WindowShape<R, Y, kKept>;
  constexpr bool kFromRing = std::is_same_v<Words, RingWords>;
  static_assert(kFromRing || kKept, "a word is made once");
  constexpr int K = Shape::K, kColumns = Shape::kColumns, X = Shape::kTileX;
  constexpr int kShift = Shape::kRides ? Shape::kShift : 0;
  extern __shared__ __align__(16) float shared[];
  int* const tile = reinterpret_cast<int*>(shared);                // sums along z
  float* const rows = shared + Shape::kSums * Shape::kTileFloats;  // and along x; F's as integers
  std::uint32_t* const kept = reinterpret_cast<std::uint32_t*>(shared + Shape::kSumFloats);
  const int thread = static_cast<int>(threadIdx.x), tx = thread % X, ty = thread / X;
  const int x0 = static_cast<int>(blockIdx.x) * X,
            y0 = static_cast<int>(blockIdx.y) * Shape::kTileY;
  const int z0 = grid.segment_begin(static_cast<int>(blockIdx.z)),
            z1 = grid.segment_end(static_cast<int>(blockIdx.z));

  int offset[kColumns], place[kColumns];  // as in march(): -1 outside the volume, beyond the halo
#pragma unroll
  for (int c = 0; c < kColumns; ++c) {
    const int e = thread + c * Shape::kThreads;
    const int x = x0 - R + e % Shape::kHaloX, y = y0 - R + e / Shape::kHaloX;
    const bool inside = e < Shape::kHalo && x >= 0 && y >= 0 && x < grid.nx && y < grid.ny;
    offset[c] = inside ? y * args.words.stride_y() + x : -1;
    place[c] = e < Shape::kHalo ? e / Shape::kHaloX * Shape::kPitch + e % Shape::kHaloX : -1;
  }
  using Raw = typename Words::Raw;
  const auto load_plane = [&](int z, int first, Raw(&raw)[kColumns]) {
#pragma unroll
    for (int c = 0; c < kColumns; ++c) raw[c] = {};
    if (z < first || z < 0 || z >= grid.nz) return;  // the same for all threads
    const auto plane = args.words.plane(z);
#pragma unroll
    for (int c = 0; c < kColumns; ++c)
      if (offset[c] >= 0) raw[c] = plane(static_cast<unsigned>(offset[c]));
  };
  const auto each_column = [&](const auto& body) {
#pragma unroll
    for (int c = 0; c < kColumns; ++c)
      if (c < kColumns - 1 || place[c] >= 0) body(c);
  };

  ColumnSums sums[kColumns];
  Raw raw[kColumns];
  std::uint32_t incoming[kColumns], outgoing[kColumns];
  int value = 0;
  int slot = 0;  // of plane z among those kept
  load_plane(z0 - R, z0 - R, raw);
  if constexpr (kKept) {
    each_column([&](int c) {
      for (int k = 0; k < K; ++k) kept[k * Shape::kHalo + thread + c * Shape::kThreads] = 0;
    });
  } else {
    load_plane(z0 - R - K, z0 - R, outgoing);
  }
  const int x = x0 + tx, first_row = y0 + ty * kRows;
  const auto own_offset = static_cast<unsigned>(first_row * args.words.stride_y() + x);
  bool in_grid[kRows];
#pragma unroll
  for (int i = 0; i < kRows; ++i) in_grid[i] = x < grid.nx && first_row + i < grid.ny;
  for (int z = z0 - R; z < z1 + R; ++z) {
    const int centre = z - R;
    const bool whole_window = centre >= z0;
    const bool in_volume = z >= 0 && z < grid.nz;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      incoming[c] = args.words.word(raw[c]);
      if (!kFromRing && !(in_volume && offset[c] >= 0)) incoming[c] = kNotCounted;
    }
    if constexpr (kKept) {
      // Each thread's own words: nobody else writes them.
      std::uint32_t* const mine = kept + slot * Shape::kHalo + thread;
      each_column([&](int c) {
        outgoing[c] = mine[c * Shape::kThreads];
        mine[c * Shape::kThreads] = incoming[c];
      });
    }
#pragma unroll
    for (int c = 0; c < kColumns; ++c) sums[c].template move<kShift>(incoming[c], outgoing[c]);
    if (whole_window)
      each_column([&](int c) {
        int* to = tile + place[c];
        to[0] = sums[c].f;
        to[Shape::kTileFloats] = sums[c].m;
        to[2 * Shape::kTileFloats] = sums[c].ff;
        to[3 * Shape::kTileFloats] = sums[c].mm;
        to[4 * Shape::kTileFloats] = sums[c].fm;
        if constexpr (!Shape::kRides) to[5 * Shape::kTileFloats] = sums[c].n;
      });
    if (z + 1 < z1 + R) {
      load_plane(z + 1, z0 - R, raw);
      if constexpr (!kKept) load_plane(z + 1 - K, z0 - R, outgoing);
    }
    const int slot_of_centre = slot >= R ? slot - R : slot + R + 1;
    slot = slot + 1 < K ? slot + 1 : 0;
    if (!whole_window) continue;
    std::uint64_t gradient[kRows] = {};
    if constexpr (kOutcome == Outcome::field) {
#pragma unroll
      for (int i = 0; i < kRows; ++i)
        if (in_grid[i]) gradient[i] = *args.gradients.at(x, first_row + i, centre);
    }
    std::uint32_t own[kRows];
    if constexpr (!kKept) {
      const auto plane = args.words.plane(centre);
#pragma unroll
      for (int i = 0; i < kRows; ++i)
        own[i] = in_grid[i] ? plane(own_offset + static_cast<unsigned>(i * args.words.stride_y()))
                            : kNotCounted;
    }
    __syncthreads();
    for (int e = thread; e < Shape::kHaloY * (X / 4); e += Shape::kThreads) {
      const int row = e / (X / 4), quad = e % (X / 4);
#pragma unroll
      for (int q = 0; q < Shape::kSums; ++q) {
        const int4 v = filter_quad<R, true>(
            tile + q * Shape::kTileFloats + row * Shape::kPitch + 4 * quad, nullptr);
        float* to = rows + q * Shape::kRowFloats + row * X;
        if (q == 0 && Shape::kRides)
          reinterpret_cast<int4*>(to)[quad] = v;
        else
          reinterpret_cast<float4*>(to)[quad] = {static_cast<float>(v.x), static_cast<float>(v.y),
                                                 static_cast<float>(v.z), static_cast<float>(v.w)};
      }
    }
    __syncthreads();
    const float* column = rows + ty * kRows * X + tx;
    float s[Shape::kSums][kRows], n[kRows];
#pragma unroll
    for (int q = Shape::kRides ? 1 : 0; q < Shape::kSums; ++q)
      filter_column<R, X, kRows, true>(column + q * Shape::kRowFloats, nullptr, s[q]);
    if constexpr (Shape::kRides) {
      int both[kRows];
      filter_column<R, X, kRows, true>(reinterpret_cast<const int*>(column), nullptr, both);
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        const int f = both[i] << (32 - kShift) >> (32 - kShift);
        s[0][i] = static_cast<float>(f);
        n[i] = static_cast<float>((both[i] - f) >> kShift);
      }
    } else {
#pragma unroll
      for (int i = 0; i < kRows; ++i) n[i] = s[Shape::kSums - 1][i];
    }
    if constexpr (kKept) {
      const std::uint32_t* at =
          kept + slot_of_centre * Shape::kHalo + (ty * kRows + R) * Shape::kHaloX + tx + R;
#pragma unroll
      for (int i = 0; i < kRows; ++i) own[i] = at[i * Shape::kHaloX];
    }
    std::uint64_t* to = nullptr;
    if constexpr (kOutcome == Outcome::coefficients)
      to = whole(args.coefficients.plane(centre)) + (first_row * args.coefficients.stride_y + x);
    int value_of_plane = 0;
#pragma unroll
    for (int i = 0; i < kRows; ++i)
      if (in_grid[i])
        value_of_plane += finish_window<kOutcome>(
            args, to + i * args.coefficients.stride_y, gradient[i], own[i], x, first_row + i,
            centre, fmaxf(n[i], 1.0F), {s[0][i], s[1][i], s[2][i], s[3][i], s[4][i]});
    if (centre >= args.range_begin && centre < args.range_end) value += value_of_plane;
  }
  add_value(args.totals, value);
  // Nobody else counts where there is no ring to be filled, and there every voxel counts.
  if (!kFromRing && thread == 0 && blockIdx.x == 0 && blockIdx.y == 0) {
    const int planes = min(z1, args.range_end) - max(z0, args.range_begin);
    if (planes > 0)
      atomicAdd(&args.totals->count, static_cast<unsigned long long>(planes) *
                                         static_cast<unsigned>(grid.nx) *
                                         static_cast<unsigned>(grid.ny));
  }
}

/// Any window, tap by tap: (2·radius+1)³ reads per voxel.
template <Outcome kOutcome>
__global__ void __launch_bounds__(256)
    direct_window_kernel(const WindowArgs<RingWords> args, const MarchGrid grid,
                         const DeviceTaps taps, int radius) {
  const int x = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const int y = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  const int z = grid.begin + static_cast<int>(blockIdx.z);
  int value = 0;
  if (x < grid.nx && y < grid.ny) {
    float n = 0, s[5] = {};
    for (int c = max(z - radius, 0); c <= min(z + radius, grid.nz - 1); ++c)
      for (int b = max(y - radius, 0); b <= min(y + radius, grid.ny - 1); ++b) {
        const float wy = taps.weight[c - z + radius] * taps.weight[b - y + radius];
        for (int a = max(x - radius, 0); a <= min(x + radius, grid.nx - 1); ++a) {
          const std::uint32_t word = *args.words.ring.at(a, b, c);
          if (!is_counted(word)) continue;
          const float f = static_cast<float>(fixed_steps(word)),
                      m = static_cast<float>(moving_steps(word));
          const float w = wy * taps.weight[a - x + radius];
          n += w;
          s[0] = fmaf(w, f, s[0]);
          s[1] = fmaf(w, m, s[1]);
          s[2] = fmaf(w * f, f, s[2]);
          s[3] = fmaf(w * m, m, s[3]);
          s[4] = fmaf(w * f, m, s[4]);
        }
      }
    std::uint64_t* to = nullptr;
    std::uint64_t gradient = 0;
    if constexpr (kOutcome == Outcome::coefficients) to = args.coefficients.at(x, y, z);
    if constexpr (kOutcome == Outcome::field) gradient = *args.gradients.at(x, y, z);
    value = finish_window<kOutcome>(args, to, gradient, *args.words.ring.at(x, y, z), x, y, z,
                                    fmaxf(n, 1e-6F), s);
    if (z < args.range_begin || z >= args.range_end) value = 0;
  }
  add_value(args.totals, value);
}

template <int R, int Y, bool kKept, int kBlocks, Outcome kOutcome, class Words>
void launch_windows(Device& device, const WindowArgs<Words>& args, const ops::Extent& e,
                    ops::ZRange planes) {
  using Shape = WindowShape<R, Y, kKept>;
  const MarchGrid grid = MarchGrid(e, planes, Shape::kTileX, Shape::kTileY).unaligned();
  const auto kernel = window_kernel<R, Y, kKept, kBlocks, kOutcome, Words>;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(Shape::kBytes)),
        "lncc windows");
  kernel<<<grid.blocks(), Shape::kThreads, Shape::kBytes, device.stream()>>>(args, grid);
}

/// Windows that march, with rows of a tile and blocks on a multiprocessor as measured to be
/// fastest.
template <Outcome kOutcome, class Words>
void launch_marching(Device& device, const WindowArgs<Words>& args, const ops::Extent& e,
                     ops::ZRange planes, int radius) {
  switch (radius) {
    case 1: launch_windows<1, 16, true, 4, kOutcome>(device, args, e, planes); return;
    case 2: launch_windows<2, 16, true, 4, kOutcome>(device, args, e, planes); return;
    case 3: launch_windows<3, 24, true, 3, kOutcome>(device, args, e, planes); return;
    default: break;
  }
  if constexpr (std::is_same_v<Words, RingWords>) {
    if (radius == 4)
      launch_windows<4, 32, false, 2, kOutcome>(device, args, e, planes);
    else
      launch_windows<5, 32, false, 2, kOutcome>(device, args, e, planes);
  }
}

template <Outcome kOutcome, class Words>
void launch(Device& device, const WindowArgs<Words>& args, const ops::Extent& e, ops::ZRange planes,
            const ops::Taps& taps, bool marches) {
  if (marches) {
    launch_marching<kOutcome>(device, args, e, planes, taps.radius);
  } else if constexpr (std::is_same_v<Words, RingWords>) {
    const dim3 block(64, 4), blocks(blocks_for(e.nx, 64), blocks_for(e.ny, 4),
                                    static_cast<unsigned>(planes.end - planes.begin));
    direct_window_kernel<kOutcome><<<blocks, block, 0, device.stream()>>>(
        args, MarchGrid(e, planes, 64, 4), DeviceTaps(taps), taps.radius);
  }
}

Outcome outcome_of(const ops::LnccArgs& args) {
  if (!windows_deliver(args)) return Outcome::coefficients;
  return kind_of(args.target) == TargetKind::intensity ? Outcome::intensity : Outcome::field;
}

}  // namespace

bool windows_deliver(const ops::LnccArgs& args) {
  return args.approximate_gradient && args.target.wanted &&
         kind_of(args.target) != TargetKind::linear;
}

template <class Words>
void lncc_windows(Device& device, const ops::LnccArgs& args, const ops::Taps& taps,
                  const Words& words, const CoefficientRing& coefficients,
                  const GradientRing& gradients, ops::ZRange planes, LnccTotals* totals) {
  if (planes.end <= planes.begin) return;
  const ops::Extent& e = args.pair.fixed.extent;
  const WindowArgs<Words> w{words,
                            coefficients.from(planes.begin),
                            static_cast<int>(args.range.begin),
                            static_cast<int>(args.range.end),
                            args.epsilon,
                            intensity_steps(args).steps,
                            args.approximate_gradient,
                            args.target.wanted,
                            totals,
                            DeviceTarget(args.target),
                            gradients.from(planes.begin),
                            gradient_scale(args)};
  const bool marches = lncc_marches(args);
  switch (outcome_of(args)) {
    case Outcome::coefficients:
      launch<Outcome::coefficients>(device, w, e, planes, taps, marches);
      break;
    case Outcome::intensity: launch<Outcome::intensity>(device, w, e, planes, taps, marches); break;
    case Outcome::field:
      if constexpr (std::is_same_v<Words, RingWords>)
        launch<Outcome::field>(device, w, e, planes, taps, marches);
      break;
  }
  check_launch("lncc windows");
}

template void lncc_windows(Device&, const ops::LnccArgs&, const ops::Taps&, const RingWords&,
                           const CoefficientRing&, const GradientRing&, ops::ZRange, LnccTotals*);
template void lncc_windows(Device&, const ops::LnccArgs&, const ops::Taps&,
                           const ImageWords<std::uint8_t>&, const CoefficientRing&,
                           const GradientRing&, ops::ZRange, LnccTotals*);
template void lncc_windows(Device&, const ops::LnccArgs&, const ops::Taps&,
                           const ImageWords<std::uint16_t>&, const CoefficientRing&,
                           const GradientRing&, ops::ZRange, LnccTotals*);

}  // namespace gigawarp::cuda

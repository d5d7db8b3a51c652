#include <algorithm>

#include "cuda/lncc.cuh"
#include "math/adam.h"
#include "math/metric.h"

/// LNCC, second pass. The march adds up along z first, by integers that run exactly (a plane comes
/// in, one goes out, read once more from the cache), then along x and y in shared memory: two
/// numbers in, five sums out.
namespace gigawarp::cuda {
namespace {

struct WindowArgs {
  IntensityRing intensities;
  CoefficientRing coefficients;
  int range_begin, range_end;
  float epsilon;
  bool whole;  ///< coefficients not divided by the window's weight (approximate gradient)
  bool store;
  LnccTotals* totals;
};

/// From sums in steps, of `n` voxels, to what is stored; returns the voxel's cc in steps of 2^-22.
__device__ inline int store_coefficients(const WindowArgs& args, std::uint32_t own_intensities,
                                         int x, int y, int z, float n, const float (&sum)[5]) {
  const float in = math::quick_quotient(1.0F, fmaxf(n, 1e-6F));
  constexpr float kStep = 1.0F / kIntensitySteps;
  const float linear = in * kStep, square = linear * kStep;
  const auto c = math::lncc_coefficients<float>(sum[0] * linear, sum[1] * linear, sum[2] * square,
                                                sum[3] * square, sum[4] * square, args.epsilon);
  const bool counts = own_intensities != kNotCounted;
  if (args.store) {
    const float k = args.whole ? 1.0F : in;
    *args.coefficients.at(x, y, z) =
        counts ? math::pack_floats(c.p * k * kStep, c.q * k * kStep, c.r * k) : 0;
  }
  const bool own = z >= args.range_begin && z < args.range_end;
  return counts && own ? __float2int_rn(c.cc * kLnccSteps) : 0;
}

__device__ inline void add_value(LnccTotals* totals, long long steps) {
#pragma unroll
  for (int s = 16; s > 0; s >>= 1) steps += __shfl_down_sync(0xffffffffU, steps, s);
  if (((threadIdx.y * blockDim.x + threadIdx.x) & 31U) == 0 && steps != 0)
    atomicAdd(&totals->value, static_cast<unsigned long long>(steps));
}

template <int R>
struct WindowShape : MarchShape<R, 32, R <= 2 ? 16 : 32, 2> {
  using Base = MarchShape<R, 32, R <= 2 ? 16 : 32, 2>;
  static constexpr std::size_t kBytes =
      sizeof(float) * 5 * (Base::kTileFloats + Base::kRowFloats) + Base::kTileFloats;
};

/// Voxels that count in the window around (column tx, row), from the per-column counts.
template <int R>
__device__ inline float count_window(const std::uint8_t* counts, int tx, int row) {
  int n = 0;
  for (int j = 0; j <= 2 * R; ++j)
    for (int i = 0; i <= 2 * R; ++i) n += counts[(row + j) * WindowShape<R>::kPitch + tx + i];
  return static_cast<float>(n);
}

/// Sums along z of one column, in steps.
struct ColumnSums {
  int n = 0, f = 0, m = 0, ff = 0, mm = 0, fm = 0;
  /// One plane comes in, one goes out.
  __device__ void move(std::uint32_t in, std::uint32_t out) {
    const bool enters = in != kNotCounted, leaves = out != kNotCounted;
    in = enters ? in : 0;
    out = leaves ? out : 0;
    const int a = fixed_steps(in), b = moving_steps(in), c = fixed_steps(out),
              d = moving_steps(out);
    n += (enters ? 1 : 0) - (leaves ? 1 : 0);
    f += a - c;
    m += b - d;
    ff += a * a - c * c;
    mm += b * b - d * d;
    fm += a * b - c * d;
  }
};

template <int R>
__global__ void __launch_bounds__(WindowShape<R>::kThreads, 1024 / WindowShape<R>::kThreads)
    window_kernel(const WindowArgs args, const MarchGrid grid) {
  using Shape = WindowShape<R>;
  constexpr int K = Shape::K, kColumns = Shape::kColumns, X = Shape::kTileX, kRows = 2;
  extern __shared__ __align__(16) float shared[];
  float* const tile = shared;                           // 5 × kTileFloats: sums along z
  float* const rows = shared + 5 * Shape::kTileFloats;  // 5 × kRowFloats: and along x
  auto* const counts = reinterpret_cast<std::uint8_t*>(rows + 5 * Shape::kRowFloats);
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
    const bool inside =
        e < Shape::kHaloX * Shape::kHaloY && x >= 0 && y >= 0 && x < grid.nx && y < grid.ny;
    offset[c] = inside ? y * args.intensities.stride_y + x : -1;
    place[c] = e < Shape::kHaloX * Shape::kHaloY
                   ? e / Shape::kHaloX * Shape::kPitch + e % Shape::kHaloX
                   : -1;
  }
  const auto load_plane = [&](int z, int first, std::uint32_t(&words)[kColumns]) {
    const bool inside = z >= first && z >= 0 && z < grid.nz;
    const std::uint32_t* plane = args.intensities.plane(inside ? z : 0);
#pragma unroll
    for (int c = 0; c < kColumns; ++c)
      words[c] = inside && offset[c] >= 0 ? __ldg(plane + offset[c]) : kNotCounted;
  };

  ColumnSums sums[kColumns];
  std::uint32_t incoming[kColumns], outgoing[kColumns];
  int value = 0;
  load_plane(z0 - R, z0 - R, incoming);
  load_plane(z0 - R - K, z0 - R, outgoing);
  const int x = x0 + tx, first_row = y0 + ty * kRows;
  for (int z = z0 - R; z < z1 + R; ++z) {
    const int centre = z - R;
    const bool whole_window = centre >= z0;
    std::uint32_t own[kRows];
#pragma unroll
    for (int i = 0; i < kRows; ++i)
      own[i] = whole_window && x < grid.nx && first_row + i < grid.ny
                   ? __ldg(args.intensities.at(x, first_row + i, centre))
                   : kNotCounted;
    bool incomplete = false;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      sums[c].move(incoming[c], outgoing[c]);
      if (!whole_window || place[c] < 0) continue;
      float* to = tile + place[c];
      to[0] = static_cast<float>(sums[c].f);
      to[Shape::kTileFloats] = static_cast<float>(sums[c].m);
      to[2 * Shape::kTileFloats] = static_cast<float>(sums[c].ff);
      to[3 * Shape::kTileFloats] = static_cast<float>(sums[c].mm);
      to[4 * Shape::kTileFloats] = static_cast<float>(sums[c].fm);
      counts[place[c]] = static_cast<std::uint8_t>(sums[c].n);
      incomplete = incomplete || sums[c].n != K;
    }
    if (z + 1 < z1 + R) {
      load_plane(z + 1, z0 - R, incoming);
      load_plane(z + 1 - K, z0 - R, outgoing);
    }
    if (!whole_window) continue;
    const bool some_missing = __syncthreads_or(incomplete ? 1 : 0) != 0;
    for (int e = thread; e < Shape::kHaloY * (X / 4); e += Shape::kThreads) {
      const int row = e / (X / 4), quad = e % (X / 4);
#pragma unroll
      for (int q = 0; q < 5; ++q)
        reinterpret_cast<float4*>(rows + q * Shape::kRowFloats + row * X)[quad] =
            filter_quad<R, true>(tile + q * Shape::kTileFloats + row * Shape::kPitch + 4 * quad,
                                 nullptr);
    }
    __syncthreads();
    float s[5][kRows];
#pragma unroll
    for (int q = 0; q < 5; ++q)
      filter_column<R, X, kRows, true>(rows + q * Shape::kRowFloats + ty * kRows * X + tx, nullptr,
                                       s[q]);
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const int y = first_row + i;
      if (x >= grid.nx || y >= grid.ny) continue;
      const float n = some_missing ? count_window<R>(counts, tx, ty * kRows + i)
                                   : static_cast<float>(K * K * K);
      value += store_coefficients(args, own[i], x, y, centre, n,
                                  {s[0][i], s[1][i], s[2][i], s[3][i], s[4][i]});
    }
    if (some_missing) __syncthreads();  // counts are read after the plane's last barrier
  }
  add_value(args.totals, value);
}

/// Any window, tap by tap: (2·radius+1)³ reads per voxel.
__global__ void __launch_bounds__(256)
    direct_window_kernel(const WindowArgs args, const MarchGrid grid, const DeviceTaps taps,
                         int radius) {
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
          const std::uint32_t word = *args.intensities.at(a, b, c);
          if (word == kNotCounted) continue;
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
    value = store_coefficients(args, *args.intensities.at(x, y, z), x, y, z, n, s);
  }
  add_value(args.totals, value);
}

template <int R>
void launch_windows(Device& device, const WindowArgs& args, const ops::Extent& e,
                    ops::ZRange planes) {
  using Shape = WindowShape<R>;
  const MarchGrid grid = MarchGrid(e, planes, Shape::kTileX, Shape::kTileY).unaligned();
  check(cudaFuncSetAttribute(window_kernel<R>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(Shape::kBytes)),
        "lncc windows");
  window_kernel<R><<<grid.blocks(), Shape::kThreads, Shape::kBytes, device.stream()>>>(args, grid);
}

}  // namespace

void lncc_windows(Device& device, const ops::LnccArgs& args, const ops::Taps& taps,
                  const IntensityRing& intensities, const CoefficientRing& coefficients,
                  ops::ZRange planes, LnccTotals* totals) {
  if (planes.end <= planes.begin) return;
  const ops::Extent& e = args.pair.fixed.extent;
  const WindowArgs w{intensities.from(std::max<std::int64_t>(planes.begin - taps.radius, 0)),
                     coefficients.from(planes.begin),
                     static_cast<int>(args.range.begin),
                     static_cast<int>(args.range.end),
                     args.epsilon,
                     args.approximate_gradient,
                     args.target.wanted,
                     totals};
  if (lncc_marches(args)) {
    switch (taps.radius) {
      case 1: launch_windows<1>(device, w, e, planes); break;
      case 2: launch_windows<2>(device, w, e, planes); break;
      case 3: launch_windows<3>(device, w, e, planes); break;
      case 4: launch_windows<4>(device, w, e, planes); break;
      default: launch_windows<5>(device, w, e, planes); break;
    }
  } else {
    const dim3 block(64, 4), blocks(blocks_for(e.nx, 64), blocks_for(e.ny, 4),
                                    static_cast<unsigned>(planes.end - planes.begin));
    direct_window_kernel<<<blocks, block, 0, device.stream()>>>(w, MarchGrid(e, planes, 64, 4),
                                                                DeviceTaps(taps), taps.radius);
  }
  check_launch("lncc windows");
}

}  // namespace gigawarp::cuda

#include <type_traits>

#include "cuda/lncc.cuh"
#include "cuda/quads.cuh"

/// LNCC, third pass for wide windows, in two that keep nothing but what a warp holds: sums of the
/// coefficients along z in one march up the columns, then along y and x in strips of a plane. One
/// march for all three axes keeps 2R partial sums of three numbers per voxel beside its tiles, so
/// that few warps fit on a multiprocessor and wait for one another; 16 bytes more per voxel cost
/// less than that from R = 3 on (RESULTS.md).
namespace gigawarp::cuda {
namespace {

/// Coefficients and, R planes further down, their sums along z.
struct ColumnArgs {
  CoefficientRing coefficients, sums;
  MarchGrid grid;
};

constexpr int kColumnsX = 64, kColumnsY = 4;

/// Sums along z over centres [begin, end): reads 8 bytes per voxel, writes 8. In place: the sum
/// about plane z goes where plane z - R lies, which no later one needs.
template <int R>
__global__ void __launch_bounds__(kColumnsX* kColumnsY)
    sum_columns(const __grid_constant__ ColumnArgs args) {
  constexpr int K = 2 * R + 1, kAhead = 4;
  const MarchGrid& grid = args.grid;
  const int x = static_cast<int>(blockIdx.x * kColumnsX + threadIdx.x),
            y = static_cast<int>(blockIdx.y * kColumnsY + threadIdx.y);
  if (x >= args.coefficients.stride_y || y >= grid.ny) return;
  const bool inside = x < grid.nx;  // what fills the last quad of a row becomes zeros
  const int at = y * args.coefficients.stride_y + x;
  const int last = min(grid.end + R, grid.nz);
  const auto load_planes = [&](int z, std::uint64_t(&raw)[kAhead]) {
#pragma unroll
    for (int k = 0; k < kAhead; ++k)
      raw[k] = inside && z + k >= 0 && z + k < last ? args.coefficients.plane(z + k)[at] : 0;
  };
  float sum[3][1][K] = {};
  std::uint64_t raw[kAhead], ahead[kAhead];
  load_planes(grid.begin - R, raw);
  for (int z = grid.begin - R; z < grid.end + R; z += kAhead) {
    load_planes(z + kAhead, ahead);
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      const math::Float3 v = math::unpack_floats(raw[k]);
      const float in[3][1] = {{v.x}, {v.y}, {v.z}};
      float done[3][1];
#pragma unroll
      for (int q = 0; q < 3; ++q) add_plane<R, true>(nullptr, in[q], sum[q], done[q]);
      const int centre = z + k - R;
      if (centre >= grid.begin && centre < grid.end)
        args.sums.plane(centre)[at] = math::pack_floats(done[0][0], done[1][0], done[2][0]);
      raw[k] = ahead[k];
    }
  }
}

template <class Words>
struct StripArgs {
  Words words;
  CoefficientRing sums;
  GradientRing gradients;
  DeviceTarget target;
  float scale;
  int nx, ny, begin;
  bool wide;  ///< what is read beside the sums, and written, lies in whole quads
  double* slots;
};

constexpr int kStripWarps = 4;

/// Rows of a strip. Sums run along them, so that their number is part of the result: it is the same
/// on every device, however few planes it works on at a time.
template <class Words>
constexpr int kStripRows = Words::kAllCount ? 64 : 32;

template <int R>
struct StripShape {
  static constexpr int K = 2 * R + 1;
  static constexpr int kLanesBeyond = (R + 3) / 4;  ///< on either side, whose windows are not whole
  static constexpr int kColumns = kStripColumns - 8 * kLanesBeyond;
  static constexpr std::size_t kBytes = kStripWarps * K * 32 * sizeof(Quad<std::uint64_t>);
};

/// Four words of the gradient of M, or of what it leaves.
__device__ inline void load_words(const std::uint64_t* at, int count, bool wide,
                                  std::uint64_t (&out)[4]) {
  if (wide && count >= 4) {
    const auto quad = *reinterpret_cast<const Quad<std::uint64_t>*>(at);
#pragma unroll
    for (int i = 0; i < 4; ++i) out[i] = quad.v[i];
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) out[i] = i < count ? at[i] : 0;
}

/// What a row's sink needs beside the sums.
template <TargetKind kKind, class Words>
struct RowAhead {
  typename Words::RawQuad words;
  std::uint64_t gradient[kKind == TargetKind::intensity ? 1 : 4] = {};

  __device__ void load(const StripArgs<Words>& args, int x, int y, int z, int count) {
    if (count <= 0) return;
    words = args.words.quads(z)(args.words.quad_at(x, y));
    if constexpr (kKind != TargetKind::intensity)
      load_words(args.gradients.at(x, y, z), count, args.wide, gradient);
  }
};

template <TargetKind kKind, class Words>
__device__ inline void deliver_quad(const StripArgs<Words>& args,
                                    const RowAhead<kKind, Words>& ahead, int x, int y, int z,
                                    int count, const float (&p)[4], const float (&q)[4],
                                    const float (&r)[4], ThreadSums& state) {
  if (count <= 0) return;
  float dl_dm[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    float f, m;
    const bool counts = args.words.values(args.words.held(), ahead.words, i, f, m);
    dl_dm[i] = counts ? args.scale * (f * p[i] - m * q[i] + r[i]) : 0.0F;
  }
  if constexpr (kKind == TargetKind::intensity) {
#pragma unroll
    for (int i = 0; i < 4; ++i) dl_dm[i] *= args.target.weight;
    store_quad(args.target.intensity.at(x, y, z), count, args.wide, dl_dm);
  } else if constexpr (kKind == TargetKind::linear) {
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (i < count)
        deliver_product<kKind>(args.target, x + i, y, z, math::unpack_floats(ahead.gradient[i]),
                               dl_dm[i], state);
  } else {
    std::uint64_t* const to = args.target.field.at(x, y, z);
    std::uint64_t before[4] = {}, after[4];
    if (args.target.accumulate) load_words(to, count, args.wide, before);
#pragma unroll
    for (int i = 0; i < 4; ++i)
      after[i] =
          product_word(args.target, math::unpack_floats(ahead.gradient[i]), dl_dm[i], before[i]);
    store_quad(to, count, args.wide, after);
  }
}

/// Sums along y, run down the rows of a strip and begun anew with each, then along x; dL/dM, and
/// what it is for. A warp has a strip of its own: no barriers. Sums run in fp32 over kStripRows
/// rows, the same ones on every device.
template <int R, TargetKind kKind, class Words>
__global__ void __launch_bounds__(32 * kStripWarps)
    strip_gradient(const __grid_constant__ StripArgs<Words> args) {
  using Shape = StripShape<R>;
  constexpr int K = Shape::K, kAhead = 2;
  using Words4 = Quad<std::uint64_t>;
  extern __shared__ __align__(16) ulonglong2 kept_rows[];
  const int lane = static_cast<int>(threadIdx.x), warp = static_cast<int>(threadIdx.y);
  // The last K rows as they came: a lane's own, which nobody else looks at.
  ulonglong2* const kept = kept_rows + warp * K * 64 + lane;
  const int x = static_cast<int>(blockIdx.x) * Shape::kColumns + 4 * (lane - Shape::kLanesBeyond);
  const int y0 = (static_cast<int>(blockIdx.y) * kStripWarps + warp) * kStripRows<Words>,
            y1 = min(y0 + kStripRows<Words>, args.ny);
  const int z = args.begin + static_cast<int>(blockIdx.z);
  const bool in_columns = x >= 0 && x < args.nx;
  const bool delivers = lane >= Shape::kLanesBeyond && lane < 32 - Shape::kLanesBeyond;
  const int count = delivers ? min(args.nx - x, 4) : 0;
  const std::uint64_t* const plane = args.sums.plane(z) + x;
  const auto load_row = [&](int y) {
    Words4 row{};
    if (in_columns && y >= 0 && y < args.ny)
      row = *reinterpret_cast<const Words4*>(plane + y * args.sums.stride_y);
    return row;
  };
  ThreadSums state{};
  if (y0 < y1) {
    float sum[3][4] = {};
    const auto change = [&](const Words4& row, float sign) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const math::Float3 v = math::unpack_floats(row.v[i]);
        sum[0][i] += sign * v.x;
        sum[1][i] += sign * v.y;
        sum[2][i] += sign * v.z;
      }
    };
    Words4 rows[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; ++k) rows[k] = load_row(y0 - R + k);
    RowAhead<kKind, Words> ahead;
    ahead.load(args, x, y0, z, count);
    int slot = 0;
    for (int first = y0 - R; first < y1 + R; first += kAhead) {
#pragma unroll
      for (int k = 0; k < kAhead; ++k) {
        const int y = first + k, centre = y - R;
        const Words4 row = rows[k];
        rows[k] = load_row(y + kAhead);
        ulonglong2* const here = kept + slot * 64;
        slot = slot + 1 < K ? slot + 1 : 0;
        if (centre > y0) {
          const ulonglong2 a = here[0], b = here[32];
          change({a.x, a.y, b.x, b.y}, -1);
        }
        here[0] = {row.v[0], row.v[1]};
        here[32] = {row.v[2], row.v[3]};
        change(row, 1);
        if (centre < y0 || centre >= y1) continue;
        const RowAhead<kKind, Words> mine = ahead;
        if (centre + 1 < y1) ahead.load(args, x, centre + 1, z, count);
        float window[3][4];
#pragma unroll
        for (int q = 0; q < 3; ++q) sum_windows<R>(sum[q], window[q]);
        deliver_quad<kKind>(args, mine, x, centre, z, count, window[0], window[1], window[2],
                            state);
      }
    }
  }
  if constexpr (kKind == TargetKind::linear)
    store_block_sums(state, warp * 32 + lane, 32 * kStripWarps,
                     args.slots + ((blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x) *
                                      static_cast<std::int64_t>(kSums));
}

template <int R, class Words>
dim3 strip_blocks(const ops::Extent& e, ops::ZRange planes) {
  return {blocks_for(e.nx, StripShape<R>::kColumns),
          blocks_for(e.ny, kStripWarps * kStripRows<Words>),
          static_cast<unsigned>(planes.end - planes.begin)};
}

bool is_wide(const ops::LnccArgs& args, const GradientRing& gradients, const DeviceTarget& target) {
  if (args.target.intensity)
    return holds_quads(target.intensity.data, target.intensity.stride_y, target.intensity.stride_z,
                       sizeof(float));
  const bool read = holds_quads(gradients.data, gradients.stride_y, gradients.stride_z, 8);
  return read && (!args.target.field ||
                  holds_quads(target.field.data, target.field.stride_y, target.field.stride_z, 8));
}

template <int R, TargetKind kKind, class Words>
void launch_strips(Device& device, const StripArgs<Words>& args, const ops::Extent& e,
                   ops::ZRange planes) {
  const auto kernel = strip_gradient<R, kKind, Words>;
  constexpr auto kBytes = StripShape<R>::kBytes;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(kBytes)),
        "lncc gradient");
  kernel<<<strip_blocks<R, Words>(e, planes), dim3(32, kStripWarps), kBytes, device.stream()>>>(
      args);
  check_launch("lncc gradient");
}

template <int R, class Words>
void launch(Device& device, const ops::LnccArgs& args, const Words& words,
            const CoefficientRing& coefficients, const GradientRing& gradients, ops::ZRange planes,
            double* slots) {
  const ops::Extent& e = args.pair.fixed.extent;
  const CoefficientRing from = coefficients.from(planes.begin - R), sums = from.shifted(R);
  const dim3 block(kColumnsX, kColumnsY),
      blocks(blocks_for(from.stride_y, kColumnsX), blocks_for(e.ny, kColumnsY));
  sum_columns<R><<<blocks, block, 0, device.stream()>>>(
      ColumnArgs{from, sums, MarchGrid(e, planes, kColumnsX, kColumnsY)});
  check_launch("lncc gradient");
  const GradientRing read = gradients.from(planes.begin);
  const DeviceTarget target(args.target);
  const StripArgs<Words> strips{words,
                                sums,
                                read,
                                target,
                                gradient_scale(args),
                                static_cast<int>(e.nx),
                                static_cast<int>(e.ny),
                                static_cast<int>(planes.begin),
                                is_wide(args, read, target),
                                slots};
  const TargetKind kind = kind_of(args.target);
  if (kind == TargetKind::intensity)
    launch_strips<R, TargetKind::intensity>(device, strips, e, planes);
  if constexpr (std::is_same_v<Words, RingWords>) {
    if (kind == TargetKind::field || kind == TargetKind::symmetric_field)
      launch_strips<R, TargetKind::field>(device, strips, e, planes);
    if (kind == TargetKind::linear) launch_strips<R, TargetKind::linear>(device, strips, e, planes);
  }
}

}  // namespace

int lncc_strips(const ops::LnccArgs& args) {
  const ops::Extent& e = args.pair.fixed.extent;
  const dim3 blocks = args.radius <= 4 ? strip_blocks<4, RingWords>(e, {0, 1})
                                       : strip_blocks<5, RingWords>(e, {0, 1});
  return static_cast<int>(blocks.x * blocks.y);
}

template <class Words>
void lncc_gradient_wide(Device& device, const ops::LnccArgs& args, const Words& words,
                        const CoefficientRing& coefficients, const GradientRing& gradients,
                        ops::ZRange planes, double* slots) {
  const auto go = [&]<int R>() {
    launch<R>(device, args, words, coefficients, gradients, planes, slots);
  };
  if (args.radius == 3) go.template operator()<3>();
  if (args.radius == 4) go.template operator()<4>();
  if (args.radius == 5) go.template operator()<5>();
}

template void lncc_gradient_wide(Device&, const ops::LnccArgs&, const RingWords&,
                                 const CoefficientRing&, const GradientRing&, ops::ZRange, double*);
template void lncc_gradient_wide(Device&, const ops::LnccArgs&, const ImageWords<std::uint8_t>&,
                                 const CoefficientRing&, const GradientRing&, ops::ZRange, double*);
template void lncc_gradient_wide(Device&, const ops::LnccArgs&, const ImageWords<std::uint16_t>&,
                                 const CoefficientRing&, const GradientRing&, ops::ZRange, double*);

}  // namespace gigawarp::cuda

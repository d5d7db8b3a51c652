#include <algorithm>
#include <limits>
#include <vector>

#include "cuda/cuda_ops.h"
#include "cuda/on_grid.cuh"
#include "cuda/queued.h"
#include "cuda/recorded_graph.h"
#include "cuda/rows.cuh"
#include "cuda/target.cuh"
#include "math/bins.h"
#include "math/metric.h"
#include "math/mutual_information.h"

/// Mattes MI: the joint histogram in fixed point, exact whatever the order, and its gradient. Bins
/// and weights are those of cpu/mi.cpp.
namespace gigawarp::cuda {
namespace {

/// No weight exceeds 43,692 of 65,536, so that 32-bit counts hold this many voxels in one cell.
constexpr std::int64_t kVoxelsPerHistogram = 90000;
constexpr std::int64_t kVoxelsPerBlock = 90000;  ///< of the gradient: some rows, so that tables pay
constexpr int kColumnsPerBlock = 65536;

struct Bins {
  math::BinAxis fixed, moving;
  int count;
};

/// math::bin_place() to the bit, without conversion instructions.
__device__ inline math::BinPlace place_of(const Bins& bins, float f, float m) {
  const auto position = [](const math::BinAxis& axis, float value, float top) {
    return fminf(fmaxf((value - axis.low) * axis.per_width, 0.0F), top);
  };
  const float a = position(bins.fixed, f, bins.fixed.last),
              b = position(bins.moving, m, bins.moving.last * 0.999999F);
  const float i = __fadd_rd(a, kFloorMagic), j = __fadd_rd(b, kFloorMagic);
  return {(__float_as_int(i) - kFloorBits) * bins.count + (__float_as_int(j) - kFloorBits),
          b - (j - kFloorMagic)};
}

/// Adds what a voxel weighs to one of `copies` histograms that lie side by side. The weights are
/// those of math::cubic_bspline_weights() in steps of 1/kOne, but for the rounding of a last bit;
/// together they are kOne.
__device__ inline void add_weights(unsigned* histogram, int copies, const math::BinPlace& place) {
  constexpr auto kOne = static_cast<float>(ops::JointHistogram::kOne);
  constexpr float kSixth = kOne / 6.0F;
  const auto steps = [](float polynomial) {
    return static_cast<unsigned>(__float_as_int(fmaf(polynomial, kSixth, kFloorMagic)) -
                                 kFloorBits);
  };
  const float t = place.fraction, u = 1.0F - t;
  const unsigned a = steps(u * u * u), b = steps(fmaf(t * t, fmaf(3.0F, t, -6.0F), 4.0F)),
                 d = steps(t * t * t);
  unsigned* const cell = histogram + place.first * copies;
  atomicAdd(cell, a);
  atomicAdd(cell + copies, b);
  atomicAdd(cell + 2 * copies, static_cast<unsigned>(kOne) - a - b - d);
  atomicAdd(cell + 3 * copies, d);
}

/// A block's histograms in shared memory: cleared at the start of a kernel, added to `counts` at
/// its end, by all its threads.
__device__ inline void clear_cells(unsigned* cells, int count) {
  for (unsigned i = threadIdx.x; i < static_cast<unsigned>(count); i += blockDim.x) cells[i] = 0;
  __syncthreads();
}
__device__ inline void add_cells(const unsigned* cells, int all, int copies,
                                 unsigned long long* counts) {
  __syncthreads();
  for (unsigned i = threadIdx.x; i < static_cast<unsigned>(all); i += blockDim.x) {
    unsigned long long sum = 0;
    // In turn, so that the threads of a warp read from different banks.
    const auto n = static_cast<unsigned>(copies);
    for (unsigned c = 0; c < n; ++c) sum += cells[i * n + ((c + i) & (n - 1))];
    if (sum != 0) atomicAdd(counts + i, sum);
  }
}

/// Adding is what takes the time where lanes of a warp meet in one cell, as in flat backgrounds: a
/// block has as many histograms side by side as fit, lanes taking turns; up to 32 bins every lane
/// has its own. In large volumes one block fills a multiprocessor; in small ones there are more
/// blocks.
constexpr int kManyWarps = 32;
constexpr std::int64_t kManyVoxels = std::int64_t{1} << 22U;

/// Per voxel: reads F, u (8 bytes) and 8 corners of M, or F and 4 bytes of `warped`. A block adds
/// the sum of its `copies` histograms to `counts` once.
template <class T, bool kSample, bool kPlain>
__global__ void __launch_bounds__(32 * kManyWarps, 1)
    histogram_rows(const __grid_constant__ DevicePair pair,
                   const __grid_constant__ ops::SlabView<float> warped,
                   const __grid_constant__ RowPlan plan, const Bins bins, int copies,
                   unsigned long long* counts) {
  extern __shared__ unsigned cells[];
  const int lane = static_cast<int>(threadIdx.x & 31U);
  const int all = bins.count * bins.count;
  clear_cells(cells, all * copies);
  unsigned* const mine = cells + (lane & (copies - 1));
  const int begin = static_cast<int>(blockIdx.z) * kColumnsPerBlock;
  const int end = min(plan.nx, begin + kColumnsPerBlock);
  plan.for_each_row([&](int y, int z) {
    if (begin + lane >= end) return;
    // What the next voxel needs is on its way while one is sampled.
    FixedLine<T, kPlain> line(pair, begin + lane, y, z, 32, kSample);
    const math::Float3 base = pair.base<0>(0, y, z);
    for (int x = begin + lane; x < end; x += 32) {
      const float f = line.fixed(pair);
      const std::uint64_t word = line.word();
      if (x + 32 < end) line.next(pair);
      bool counts_here = true;
      float m;
      if constexpr (kSample) {
        const Sampled s =
            sample_voxel<T, false, kPlain>(pair, x, y, z, pair.moving_point<0>(base, x, word));
        m = s.value;
        counts_here = s.inside;
      } else {
        m = warped.row(y, z)[x];
      }
      if (counts_here && m == m) add_weights(mine, copies, place_of(bins, f, m));
    }
  });
  add_cells(cells, all, copies, counts);
}

/// Of two volumes on one grid. Per voxel: reads F and M.
template <class T, bool kPlain, int kCopies>
__global__ void __launch_bounds__(32 * kManyWarps, 1)
    grid_histogram_rows(const __grid_constant__ GridPair pair, const __grid_constant__ RowPlan plan,
                        const Bins bins, unsigned long long* counts) {
  extern __shared__ unsigned cells[];
  const int lane = static_cast<int>(threadIdx.x & 31U);
  const int all = bins.count * bins.count;
  clear_cells(cells, all * kCopies);
  unsigned* const mine = cells + (lane & (kCopies - 1));
  const int begin = static_cast<int>(blockIdx.z) * kColumnsPerBlock;
  const int end = min(plan.nx, begin + kColumnsPerBlock);
  plan.for_each_row([&](int y, int z) {
    for (int x = begin + 4 * lane; x < end; x += 128) {
      const GridVoxels v = load_voxels<T, kPlain>(pair, x, end - x, y, z);
      const auto add = [&](int i) { add_weights(mine, kCopies, place_of(bins, v.f[i], v.m[i])); };
      if (v.counted == 15U) {
#pragma unroll
        for (int i = 0; i < 4; ++i) add(i);
      } else {
#pragma unroll
        for (int i = 0; i < 4; ++i)
          if ((v.counted >> static_cast<unsigned>(i) & 1U) != 0) add(i);
      }
    }
  });
  add_cells(cells, all, kCopies, counts);
}

/// Per voxel: reads F, u (8) and 8 corners of M, with `warped` 4 more; writes the gradient's word
/// (8), or nothing in linear stages. The table lies in shared memory.
template <class T, TargetKind kKind, bool kPlain>
__global__ void __launch_bounds__(kRowThreads, kKind == TargetKind::field ? 6 : 2)
    gradient_rows(const __grid_constant__ DevicePair pair,
                  const __grid_constant__ ops::SlabView<float> warped,
                  const __grid_constant__ RowPlan plan, const Bins bins, const float* derivative,
                  float scale, const __grid_constant__ DeviceTarget target, double* slots) {
  extern __shared__ float table[];
  const int thread = static_cast<int>(threadIdx.x), lane = thread & 31;
  const int all = bins.count * bins.count;
  for (int i = thread; i < all; i += kRowThreads) table[i] = derivative[i];
  __syncthreads();
  const float low = bins.moving.low, high = low + bins.moving.last / bins.moving.per_width;
  ThreadSums sums;
  plan.for_each_row([&](int y, int z) {
    if (lane >= plan.nx) return;
    FixedLine<T, kPlain> line(pair, lane, y, z, 32);
    const math::Float3 base = pair.base<0>(0, y, z);
    for (int x = lane; x < plan.nx; x += 32) {
      const float f = line.fixed(pair);
      const std::uint64_t word = line.word();
      if (x + 32 < plan.nx) line.next(pair);
      Sampled s = sample_voxel<T, true, kPlain>(pair, x, y, z, pair.moving_point<0>(base, x, word));
      if constexpr (!kPlain) {
        if (warped.data != nullptr) {
          s.value = warped.row(y, z)[x];
          s.inside = true;  // NaN there says what does not count, and fails the comparisons below
        }
      }
      const float m = s.value;
      // Beyond the bins' range values are clamped: no slope.
      float dl_dm = 0;
      if (s.inside && m > low && m < high) {
        const math::BinPlace place = place_of(bins, f, m);
        float d[4];
        math::cubic_bspline_derivatives(place.fraction, d);
        const float* t = table + place.first;
        dl_dm = (d[0] * t[0] + d[1] * t[1] + d[2] * t[2] + d[3] * t[3]) * scale;
      }
      deliver<kKind>(pair, target, x, y, z, s.gradient, dl_dm, sums);
    }
  });
  if constexpr (kKind == TargetKind::linear)
    store_block_sums(sums, thread, kRowThreads, slots + plan.slot() * kSums);
}

/// Of two volumes on one grid. Per voxel: reads F and M; writes 4. In between two bins dL/dM is a
/// quadratic of the position. kQuadratic: its three coefficients lie in shared memory for every
/// place that bin_place() names, one row of each; otherwise the table does, a third of the size.
template <class T, bool kPlain, bool kQuadratic>
__global__ void __launch_bounds__(32 * kManyWarps, kPlain ? 2 : 1)
    grid_gradient_rows(const __grid_constant__ GridPair pair, const __grid_constant__ RowPlan plan,
                       const Bins bins, const float* derivative, float scale,
                       const __grid_constant__ GridTarget target) {
  extern __shared__ float table[];
  const int lane = static_cast<int>(threadIdx.x & 31U), all = bins.count * bins.count;
  for (int i = static_cast<int>(threadIdx.x); i < all; i += 32 * kManyWarps) {
    float t[4];
    for (int k = 0; k < 4; ++k) t[k] = i + k < all ? derivative[i + k] * scale : 0.0F;
    table[i] = t[0];
    if constexpr (kQuadratic) {
      const math::Quadratic<float> q = math::cubic_bspline_slope(t);
      table[i] = q.constant;
      table[all + i] = q.linear;
      table[2 * all + i] = q.square;
    }
  }
  __syncthreads();
  const float low = bins.moving.low, high = low + bins.moving.last / bins.moving.per_width;
  plan.for_each_row([&](int y, int z) {
    for (int x = 4 * lane; x < plan.nx; x += 128) {
      const int count = plan.nx - x;
      const GridVoxels v = load_voxels<T, kPlain>(pair, x, count, y, z);
      float dl_dm[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const math::BinPlace place = place_of(bins, v.f[i], v.m[i]);
        const float* const q = table + place.first;
        float slope;
        if constexpr (kQuadratic) {
          slope = fmaf(place.fraction, fmaf(place.fraction, q[2 * all], q[all]), q[0]);
        } else {
          float d[4];
          math::cubic_bspline_derivatives(place.fraction, d);
          slope = d[0] * q[0] + d[1] * q[1] + d[2] * q[2] + d[3] * q[3];
        }
        // Beyond the bins' range values are clamped: no slope.
        const bool counts = (v.counted >> static_cast<unsigned>(i) & 1U) != 0;
        dl_dm[i] = counts && v.m[i] > low && v.m[i] < high ? slope : 0.0F;
      }
      target.store(x, count, y, z, dl_dm);
    }
  });
}

constexpr int kTableThreads = 1024;

/// One block: sums of rows and columns, then every cell, then the rows' parts of MI in order.
/// `rows`, `columns` and `row_parts` are of `bins` numbers each, `terms` of bins².
__global__ void __launch_bounds__(kTableThreads)
    make_table(const unsigned long long* counts, int bins, long long* rows, long long* columns,
               double* terms, double* row_parts, float* derivative, MiNumbers* numbers) {
  __shared__ long long total;
  const int thread = static_cast<int>(threadIdx.x);
  const auto count = [&](int f, int m) {
    return static_cast<long long>(counts[static_cast<std::int64_t>(f) * bins + m]);
  };
  for (int i = thread; i < 2 * bins; i += kTableThreads) {
    const int line = i % bins;
    long long sum = 0;
    for (int k = 0; k < bins; ++k) sum += i < bins ? count(line, k) : count(k, line);
    (i < bins ? rows : columns)[line] = sum;
  }
  __syncthreads();
  if (thread == 0) {
    total = 0;
    for (int f = 0; f < bins; ++f) total += rows[f];
  }
  __syncthreads();
  for (int i = thread; i < bins * bins; i += kTableThreads) {
    const int f = i / bins, m = i % bins;
    const long long n = count(f, m);
    terms[i] = math::mi_term(n, total, rows[f], columns[m]);
    derivative[i] = total > 0 ? math::mi_derivative(n, columns[m]) : 0.0F;
  }
  __syncthreads();
  for (int f = thread; f < bins; f += kTableThreads) {
    double row = 0;
    for (int m = 0; m < bins; ++m) row += terms[static_cast<std::int64_t>(f) * bins + m];
    row_parts[f] = row;
  }
  __syncthreads();
  if (thread != 0) return;
  double mi = 0;
  for (int f = 0; f < bins; ++f) mi += row_parts[f];
  *numbers = {-mi, static_cast<double>(total) / ops::JointHistogram::kOne};
}

Bins bins_of(const ops::MiArgs& args) {
  return {math::BinAxis::fixed(args.fixed_bins.low, args.fixed_bins.high, args.bins),
          math::BinAxis::moving(args.moving_bins.low, args.moving_bins.high, args.bins), args.bins};
}

/// What dL/dp is multiplied with for dL/dM.
float scale_of(const ops::MiArgs& args) {
  return static_cast<float>(static_cast<double>(bins_of(args).moving.per_width) /
                            std::max(1.0, args.count));
}

template <class Kernel>
void allow_shared(Kernel* kernel, std::size_t bytes) {
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(bytes)),
        "asking for shared memory");
}

RowPlan plan_of(const ops::MiArgs& args) {
  return {args.pair.fixed.extent, args.range, kVoxelsPerBlock};
}

/// How the histogram's kernels are launched.
struct HistogramLaunch {
  int warps, copies;
  std::size_t shared;  ///< bytes
  RowPlan plan;
  dim3 grid;

  HistogramLaunch(const Device& device, const ops::MiArgs& args)
      : warps(voxels_of(args) >= kManyVoxels ? kManyWarps : kRowWarps),
        copies(copies_in(std::min(static_cast<std::size_t>(warps) << 12U, device.shared_bytes()) /
                         bytes_of(args))),
        shared(bytes_of(args) * static_cast<std::size_t>(copies)),
        // Rows are dealt to the lanes 128 voxels at a time, so that each histogram gets its share.
        plan({(std::min<std::int64_t>(args.pair.fixed.extent.nx, kColumnsPerBlock) + 127) / 128 *
                  128,
              args.pair.fixed.extent.ny, args.pair.fixed.extent.nz, 0, 0, 0, 0},
             args.range, kVoxelsPerHistogram * copies, warps) {
    plan.nx = static_cast<int>(args.pair.fixed.extent.nx);
    grid = plan.grid(blocks_for(plan.nx, kColumnsPerBlock));
  }
  unsigned threads() const { return 32 * static_cast<unsigned>(warps); }

 private:
  static std::size_t bytes_of(const ops::MiArgs& args) {
    return static_cast<std::size_t>(args.bins) * static_cast<std::size_t>(args.bins) *
           sizeof(unsigned);
  }
  static std::int64_t voxels_of(const ops::MiArgs& args) {
    const ops::Extent& e = args.pair.fixed.extent;
    return e.nx * e.ny * e.nz;
  }
  static int copies_in(std::size_t room) {
    for (const int copies : {32, 16, 8, 2})
      if (static_cast<std::size_t>(copies) <= room) return copies;
    return 1;
  }
};

template <class T, bool kSample, bool kPlain>
void launch_histogram(Device& device, const ops::MiArgs& args, unsigned long long* counts) {
  const HistogramLaunch how(device, args);
  allow_shared(&histogram_rows<T, kSample, kPlain>, how.shared);
  histogram_rows<T, kSample, kPlain><<<how.grid, how.threads(), how.shared, device.stream()>>>(
      DevicePair(args.pair), args.warped, how.plan, bins_of(args), how.copies, counts);
  check_launch("MI histogram");
  note_sampler(device, &histogram_rows<T, kSample, kPlain>);
}

template <class T, bool kPlain>
void launch_grid_histogram(Device& device, const ops::MiArgs& args, unsigned long long* counts) {
  const HistogramLaunch how(device, args);
  const auto launch = [&]<int kCopies>() {
    allow_shared(&grid_histogram_rows<T, kPlain, kCopies>, how.shared);
    grid_histogram_rows<T, kPlain, kCopies>
        <<<how.grid, how.threads(), how.shared, device.stream()>>>(GridPair(args.pair, args.warped),
                                                                   how.plan, bins_of(args), counts);
    check_launch("MI histogram");
  };
  switch (how.copies) {
    case 32: launch.template operator()<32>(); break;  // up to 32 bins
    case 16: launch.template operator()<16>(); break;
    case 8: launch.template operator()<8>(); break;  // 64
    case 2: launch.template operator()<2>(); break;  // 128
    default: launch.template operator()<1>(); break;
  }
}

template <class T, bool kPlain>
void launch_grid_gradient(Device& device, const ops::MiArgs& args, const float* table) {
  const RowPlan plan(args.pair.fixed.extent, args.range, std::numeric_limits<std::int64_t>::max(),
                     kManyWarps);
  const std::size_t bytes =
      static_cast<std::size_t>(args.bins) * static_cast<std::size_t>(args.bins) * sizeof(float);
  const auto launch = [&](auto* kernel, std::size_t shared) {
    allow_shared(kernel, shared);
    kernel<<<plan.grid(), 32 * kManyWarps, shared, device.stream()>>>(
        GridPair(args.pair, args.warped), plan, bins_of(args), table, scale_of(args),
        GridTarget(args.target));
    check_launch("MI gradient");
  };
  if (3 * bytes <= device.shared_bytes())
    launch(&grid_gradient_rows<T, kPlain, true>, 3 * bytes);
  else  // 128 bins on cards with less of it
    launch(&grid_gradient_rows<T, kPlain, false>, bytes);
}

template <class T, TargetKind kKind, bool kPlain>
void launch_gradient(Device& device, const ops::MiArgs& args, const RowPlan& plan,
                     const float* table, double* slots) {
  const std::size_t shared =
      static_cast<std::size_t>(args.bins) * static_cast<std::size_t>(args.bins) * sizeof(float);
  allow_shared(&gradient_rows<T, kKind, kPlain>, shared);
  gradient_rows<T, kKind, kPlain><<<plan.grid(), kRowThreads, shared, device.stream()>>>(
      DevicePair(args.pair), args.warped, plan, bins_of(args), table, scale_of(args),
      DeviceTarget(args.target), slots);
  check_launch("MI gradient");
  note_sampler(device, &gradient_rows<T, kKind, kPlain>);
}

void launch_histogram(Device& device, const ops::MiArgs& args, unsigned long long* counts) {
  if (args.target.intensity)
    dispatch_grid_pair(args.pair, static_cast<bool>(args.warped), [&]<class T, bool kPlain>() {
      launch_grid_histogram<T, kPlain>(device, args, counts);
    });
  else if (args.warped)
    launch_histogram<float, false, false>(device, args, counts);
  else
    dispatch_pair(args.pair, false, [&]<class T, bool kPlain>() {
      launch_histogram<T, true, kPlain>(device, args, counts);
    });
}

/// ops::mutual_information() to the bit: `derivative` is bins × bins.
void launch_table(Device& device, int bins, const unsigned long long* counts, float* derivative,
                  MiNumbers* numbers) {
  const Range range("mi_table");
  const auto n = static_cast<std::size_t>(bins);
  const ops::Array rows = device.allocate(n * sizeof(long long)),
                   columns = device.allocate(n * sizeof(long long)),
                   terms = device.allocate(n * n * sizeof(double)),
                   row_parts = device.allocate(n * sizeof(double));
  make_table<<<1, kTableThreads, 0, device.stream()>>>(counts, bins, rows.as<long long>(),
                                                       columns.as<long long>(), terms.as<double>(),
                                                       row_parts.as<double>(), derivative, numbers);
  check_launch("MI table");
}

void launch_gradient(Device& device, const ops::MiArgs& args, const float* derivative,
                     const SegmentSums* linear) {
  const Range range("mi_gradient");
  const TargetKind kind = kind_of(args.target);
  if (args.range.begin >= args.range.end || kind == TargetKind::none) return;
  if (kind == TargetKind::intensity) {
    dispatch_grid_pair(args.pair, static_cast<bool>(args.warped), [&]<class T, bool kPlain>() {
      launch_grid_gradient<T, kPlain>(device, args, derivative);
    });
    return;
  }
  const RowPlan plan = plan_of(args);
  dispatch_pair(args.pair, static_cast<bool>(args.warped), [&]<class T, bool kPlain>() {
    if (kind == TargetKind::field)
      launch_gradient<T, TargetKind::field, kPlain>(device, args, plan, derivative, nullptr);
    else if (kind == TargetKind::symmetric_field)
      launch_gradient<T, TargetKind::symmetric_field, kPlain>(device, args, plan, derivative,
                                                              nullptr);
    else
      launch_gradient<T, TargetKind::linear, kPlain>(device, args, plan, derivative,
                                                     linear->slots());
  });
}

std::size_t cells_of(const ops::MiArgs& args) {
  return static_cast<std::size_t>(args.bins) * static_cast<std::size_t>(args.bins);
}

/// A histogram of the range, cleared first.
ops::Array queue_histogram(Device& device, const ops::MiArgs& args) {
  ops::Array counts = device.allocate(cells_of(args) * sizeof(unsigned long long));
  check(cudaMemsetAsync(counts.data(), 0, counts.bytes(), device.stream()), "clearing a histogram");
  queue_mi_histogram(device, args, counts.as<unsigned long long>());
  return counts;
}

}  // namespace

Segments mi_segments(const ops::MiArgs& args) { return plan_of(args).sums(); }

void queue_mi(Device& device, const ops::MiArgs& args, MiNumbers* numbers,
              const SegmentSums* linear) {
  const ops::Array counts = queue_histogram(device, args);
  queue_mi_gradient(device, args, counts.as<unsigned long long>(), numbers, linear);
}

void queue_mi_histogram(Device& device, const ops::MiArgs& args, unsigned long long* counts) {
  const Range range("mi_histogram");
  if (args.range.begin < args.range.end) launch_histogram(device, args, counts);
}

void queue_mi_gradient(Device& device, const ops::MiArgs& args, const unsigned long long* counts,
                       MiNumbers* numbers, const SegmentSums* linear) {
  const ops::Array derivative = device.allocate(cells_of(args) * sizeof(float));
  launch_table(device, args.bins, counts, derivative.as<float>(), numbers);
  launch_gradient(device, args, derivative.as<float>(), linear);
}

void mi_histogram(Device& device, const ops::MiArgs& args, ops::JointHistogram& histogram) {
  histogram.bins = args.bins;
  histogram.counts.resize(cells_of(args), 0);
  if (args.range.begin >= args.range.end) return;
  const ops::Array counts = queue_histogram(device, args);
  std::vector<std::int64_t> host(cells_of(args));
  device.read(host.data(), counts.data(), counts.bytes(), "reading a histogram");
  for (std::size_t i = 0; i < host.size(); ++i) histogram.counts[i] += host[i];
}

void mi_gradient(Device& device, const ops::MiArgs& args, const ops::MiTable& table,
                 std::vector<ops::PlaneSums>& sums) {
  const Segments planned = mi_segments(args);
  const TargetKind kind = kind_of(args.target);
  for (std::int64_t z = args.range.begin; z < args.range.end; ++z)
    sums[static_cast<std::size_t>(z)] = {};
  if (kind == TargetKind::none || planned.count == 0) return;
  const ops::Array derivative = device.allocate(table.derivative.size() * sizeof(float));
  check(cudaMemcpyAsync(derivative.data(), table.derivative.data(), derivative.bytes(),
                        cudaMemcpyHostToDevice, device.stream()),
        "sending the table of MI");
  if (kind != TargetKind::linear) {
    launch_gradient(device, args, derivative.as<float>(), nullptr);
    return;
  }
  SegmentSums segments(device, planned);
  launch_gradient(device, args, derivative.as<float>(), &segments);
  segments.collect(sums);
}

}  // namespace gigawarp::cuda

#include <vector>

#include "cuda/cuda_ops.h"
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
constexpr std::int64_t kVoxelsPerBlock = 90000;
constexpr int kColumnsPerBlock = 65536;
constexpr std::size_t kHistogramBytes = std::size_t{32}
                                        << 10U;  ///< of a block, but one copy at least

struct Bins {
  math::BinAxis fixed, moving;
  int count;
};

/// Adds one voxel per lane; all lanes of the warp take part. Lanes at the same place as the first
/// one that counts add their weights together: flat backgrounds would queue at one cell otherwise.
__device__ inline void add_voxels(unsigned* cells, int copies, bool counts,
                                  const math::BinPlace& place) {
  constexpr unsigned kAll = 0xffffffffU;
  const unsigned live = __ballot_sync(kAll, counts);
  if (live == 0) return;
  const int lane = static_cast<int>(threadIdx.x & 31U), leader = __ffs(static_cast<int>(live)) - 1;
  const int cell = __shfl_sync(kAll, place.first, leader);
  const float fraction = __shfl_sync(kAll, place.fraction, leader);
  const bool joins = counts && place.first == cell && place.fraction == fraction;
  const unsigned together = __ballot_sync(kAll, joins);
  if (!counts || (joins && lane != leader)) return;
  const auto times = lane == leader ? static_cast<unsigned>(__popc(together)) : 1U;
  float w[4];
  math::cubic_bspline_weights(place.fraction, w);
  constexpr auto kOne = static_cast<float>(ops::JointHistogram::kOne);
  const auto a = static_cast<unsigned>(w[0] * kOne + 0.5F),
             b = static_cast<unsigned>(w[1] * kOne + 0.5F),
             d = static_cast<unsigned>(w[3] * kOne + 0.5F);
  const unsigned c = static_cast<unsigned>(kOne) - a - b - d;
  unsigned* mine = cells + place.first * copies + (lane & (copies - 1));
  atomicAdd(mine, a * times);
  atomicAdd(mine + copies, b * times);
  atomicAdd(mine + 2 * copies, c * times);
  atomicAdd(mine + 3 * copies, d * times);
}

/// Per voxel: reads F, u (8 bytes) and 8 corners of M, or F and 4 bytes of `warped`. A block keeps
/// `copies` histograms side by side in shared memory, lanes taking turns, and adds their sum to
/// `counts` once.
template <class T, bool kSample, bool kPlain>
__global__ void __launch_bounds__(kRowThreads, 5)
    histogram_rows(const __grid_constant__ DevicePair pair,
                   const __grid_constant__ ops::SlabView<float> warped,
                   const __grid_constant__ RowPlan plan, const Bins bins, int copies,
                   unsigned long long* counts) {
  extern __shared__ unsigned cells[];
  const int thread = static_cast<int>(threadIdx.x), lane = thread & 31;
  const int all = bins.count * bins.count;
  for (int i = thread; i < all * copies; i += kRowThreads) cells[i] = 0;
  __syncthreads();
  const int begin = static_cast<int>(blockIdx.z) * kColumnsPerBlock;
  const int end = min(plan.nx, begin + kColumnsPerBlock);
  plan.for_each_row([&](int y, int z) {
    // What the next voxel needs is on its way while one is sampled. Lanes beyond the row stay.
    FixedLine<T, kPlain> line(pair, min(begin + lane, end - 1), y, z, 32, kSample);
    const math::Float3 base = pair.base<0>(0, y, z);
    for (int x0 = begin; x0 < end; x0 += 32) {
      const int x = min(x0 + lane, end - 1);
      const float f = line.fixed(pair);
      const std::uint64_t word = line.word();
      if (x + 32 < end) line.next(pair);
      bool counted = x0 + lane < end;
      float m;
      if constexpr (kSample) {
        const Sampled s =
            sample_voxel<T, false, kPlain>(pair, x, y, z, pair.moving_point<0>(base, x, word));
        m = s.value;
        counted = counted && s.inside;
      } else {
        m = warped.row(y, z)[x];
      }
      counted = counted && m == m;
      add_voxels(cells, copies, counted,
                 math::bin_place(bins.fixed, bins.moving, bins.count, f, counted ? m : 0.0F));
    }
  });
  __syncthreads();
  for (int i = thread; i < all; i += kRowThreads) {
    unsigned long long sum = 0;
    for (int c = 0; c < copies; ++c) sum += cells[i * copies + c];
    if (sum != 0) atomicAdd(counts + i, sum);
  }
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
        const math::BinPlace place = math::bin_place(bins.fixed, bins.moving, bins.count, f, m);
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

template <class Kernel>
void allow_shared(Kernel* kernel, std::size_t bytes) {
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(bytes)),
        "asking for shared memory");
}

RowPlan plan_of(const ops::MiArgs& args) {
  return {args.pair.fixed.extent, args.range, kVoxelsPerBlock};
}

template <class T, bool kSample, bool kPlain>
void launch_histogram(Device& device, const ops::MiArgs& args, unsigned long long* counts) {
  const RowPlan plan({std::min<std::int64_t>(args.pair.fixed.extent.nx, kColumnsPerBlock),
                      args.pair.fixed.extent.ny, args.pair.fixed.extent.nz, 0, 0, 0, 0},
                     args.range, kVoxelsPerBlock);
  RowPlan whole = plan;
  whole.nx = static_cast<int>(args.pair.fixed.extent.nx);
  const std::size_t bytes =
      static_cast<std::size_t>(args.bins) * static_cast<std::size_t>(args.bins) * sizeof(unsigned);
  int copies = 1;
  while (copies < 8 && 2 * static_cast<std::size_t>(copies) * bytes <= kHistogramBytes) copies *= 2;
  const std::size_t shared = bytes * static_cast<std::size_t>(copies);
  allow_shared(&histogram_rows<T, kSample, kPlain>, shared);
  const dim3 grid = whole.grid(blocks_for(whole.nx, kColumnsPerBlock));
  histogram_rows<T, kSample, kPlain><<<grid, kRowThreads, shared, device.stream()>>>(
      DevicePair(args.pair), args.warped, whole, bins_of(args), copies, counts);
  check_launch("MI histogram");
  note_sampler(device, &histogram_rows<T, kSample, kPlain>);
}

template <class T, TargetKind kKind, bool kPlain>
void launch_gradient(Device& device, const ops::MiArgs& args, const RowPlan& plan,
                     const float* table, double* slots) {
  const std::size_t shared =
      static_cast<std::size_t>(args.bins) * static_cast<std::size_t>(args.bins) * sizeof(float);
  const Bins bins = bins_of(args);
  const auto scale =
      static_cast<float>(static_cast<double>(bins.moving.per_width) / std::max(1.0, args.count));
  allow_shared(&gradient_rows<T, kKind, kPlain>, shared);
  gradient_rows<T, kKind, kPlain><<<plan.grid(), kRowThreads, shared, device.stream()>>>(
      DevicePair(args.pair), args.warped, plan, bins, table, scale, DeviceTarget(args.target),
      slots);
  check_launch("MI gradient");
  note_sampler(device, &gradient_rows<T, kKind, kPlain>);
}

void launch_histogram(Device& device, const ops::MiArgs& args, unsigned long long* counts) {
  if (args.warped)
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

#include <vector>

#include "cuda/cuda_ops.h"
#include "cuda/mi.cuh"
#include "cuda/queued.h"
#include "cuda/recorded_graph.h"
#include "cuda/target.cuh"
#include "math/mutual_information.h"

/// Mattes MI of a volume that is sampled: the joint histogram, its table and its gradient.
namespace gigawarp::cuda {
namespace {

/// Of the gradient: some rows to a block, so that bringing the table pays.
constexpr std::int64_t kVoxelsPerBlock = 90000;

/// Per voxel: reads F, u (8 bytes) and 8 corners of M, or F and 4 bytes of `warped`. A block adds
/// the sum of its `copies` histograms to `counts` once.
template <class T, bool kSample, bool kPlain>
__global__ void __launch_bounds__(32 * kManyWarps, 1)
    histogram_rows(const __grid_constant__ DevicePair pair,
                   const __grid_constant__ ops::SlabView<float> warped,
                   const __grid_constant__ RowSweep plan, const Bins bins, int copies,
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

RowPlan plan_of(const ops::MiArgs& args) {
  return {args.pair.fixed.extent, args.range, kVoxelsPerBlock};
}

template <class T, bool kSample, bool kPlain>
void launch_histogram(Device& device, const ops::MiArgs& args, unsigned long long* counts) {
  const HistogramLaunch how(device, args);
  allow_shared(&histogram_rows<T, kSample, kPlain>, how.shared);
  histogram_rows<T, kSample, kPlain><<<how.grid, how.threads(), how.shared, device.stream()>>>(
      DevicePair(args.pair), args.warped, how.plan, bins_of(args), how.copies, counts);
  check_launch("MI histogram");
  note_sampler(device, &histogram_rows<T, kSample, kPlain>);
}

template <class T, TargetKind kKind, bool kPlain>
void launch_gradient(Device& device, const ops::MiArgs& args, const RowPlan& plan,
                     const float* table, double* slots) {
  const std::size_t shared = cells_of(args) * sizeof(float);
  allow_shared(&gradient_rows<T, kKind, kPlain>, shared);
  gradient_rows<T, kKind, kPlain><<<plan.grid(), kRowThreads, shared, device.stream()>>>(
      DevicePair(args.pair), args.warped, plan, bins_of(args), table, scale_of(args),
      DeviceTarget(args.target), slots);
  check_launch("MI gradient");
  note_sampler(device, &gradient_rows<T, kKind, kPlain>);
}

void launch_histogram(Device& device, const ops::MiArgs& args, unsigned long long* counts) {
  if (args.target.intensity)
    launch_grid_histogram(device, args, counts);
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
    launch_grid_gradient(device, args, derivative);
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

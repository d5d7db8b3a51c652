#include <vector>

#include "cuda/cuda_ops.h"
#include "cuda/on_grid.cuh"
#include "cuda/queued.h"
#include "cuda/recorded_graph.h"
#include "cuda/rows.cuh"
#include "cuda/target.cuh"

/// Mean squared difference: values, count and gradient in one pass.
namespace gigawarp::cuda {
namespace {

constexpr std::int64_t kVoxelsPerBlock = 90000;

/// Per voxel: reads F, u (8 bytes) and 8 corners of M, with `warped` 4 more; writes the gradient's
/// word (8), or nothing where there is no field.
template <class T, TargetKind kKind, bool kPlain>
__global__ void __launch_bounds__(
    kRowThreads, kKind == TargetKind::linear || kKind == TargetKind::symmetric_field ? 3 : 5)
    difference_rows(const __grid_constant__ DevicePair pair,
                    const __grid_constant__ ops::SlabView<float> warped,
                    const __grid_constant__ RowPlan plan, float given_scale,
                    const float* left_scale, const __grid_constant__ DeviceTarget target,
                    double* slots) {
  const int thread = static_cast<int>(threadIdx.x), lane = thread & 31;
  const float scale = left_scale != nullptr ? *left_scale : given_scale;
  ThreadSums sums;
  plan.for_each_row([&](int y, int z) {
    if (lane >= plan.nx) return;
    const math::Float3 base = pair.base<0>(0, y, z);
    FixedLine<T, kPlain> line(pair, lane, y, z, 32);
    for (int x = lane; x < plan.nx; x += 32) {
      const float f = line.fixed(pair);
      const std::uint64_t word = line.word();
      if (x + 32 < plan.nx) line.next(pair);  // on its way while this one is sampled
      Sampled s = sample_voxel<T, kKind != TargetKind::none, kPlain>(
          pair, x, y, z, pair.moving_point<0>(base, x, word));
      if constexpr (!kPlain) {
        if (warped.data != nullptr) {
          s.value = warped.row(y, z)[x];
          s.inside = true;  // NaN there says what does not count
        }
      }
      const bool counts = s.inside && s.value == s.value;
      const float difference = counts ? s.value - f : 0.0F;
      sums.v[0] += difference * difference;
      sums.v[1] += counts ? 1.0F : 0.0F;
      deliver<kKind>(pair, target, x, y, z, s.gradient, scale * difference, sums);
    }
  });
  store_block_sums(sums, thread, kRowThreads, slots + plan.slot() * kSums);
}

/// Of two volumes on one grid. Per voxel: reads F and M; writes 4, or nothing where the value alone
/// is of interest.
template <class T, bool kPlain>
__global__ void __launch_bounds__(kRowThreads)
    grid_difference_rows(const __grid_constant__ GridPair pair,
                         const __grid_constant__ RowPlan plan, float given_scale,
                         const float* left_scale, const __grid_constant__ GridTarget target,
                         bool store, double* slots) {
  const auto thread = static_cast<int>(threadIdx.x);
  const float scale = left_scale != nullptr ? *left_scale : given_scale;
  ThreadSums sums;
  for_each_quad<T, kPlain>(
      pair, plan, 0, plan.nx, [&](const GridVoxels& v, int x, int count, int y, int z) {
        float dl_dm[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float difference = v.m[i] - v.f[i];  // zero where the voxel does not count
          sums.v[0] += difference * difference;
          dl_dm[i] = scale * difference;
        }
        sums.v[1] += static_cast<float>(__popc(v.counted));
        if (store) target.store(x, count, y, z, dl_dm);
      });
  store_block_sums(sums, thread, kRowThreads, slots + plan.slot() * kSums);
}

/// dL/dM of one voxel is this times its difference.
__host__ __device__ inline float scale_of(double count) {
  return static_cast<float>(2.0 / (count > 1.0 ? count : 1.0));
}
__global__ void leave_scale(const unsigned long long* counted, float* scale) {
  *scale = scale_of(static_cast<double>(*counted));
}

void launch(Device& device, const ops::MseArgs& args, const RowPlan& plan, const float* left_scale,
            double* slots) {
  if (args.target.intensity) {
    dispatch_grid_pair(args.pair, static_cast<bool>(args.warped), [&]<class T, bool kPlain>() {
      grid_difference_rows<T, kPlain><<<plan.grid(), kRowThreads, 0, device.stream()>>>(
          GridPair(args.pair, args.warped), plan, scale_of(args.count), left_scale,
          GridTarget(args.target), args.target.wanted, slots);
      check_launch("MSE");
    });
    return;
  }
  dispatch_target(kind_of(args.target), [&]<TargetKind kKind>() {
    dispatch_pair(args.pair, static_cast<bool>(args.warped), [&]<class T, bool kPlain>() {
      difference_rows<T, kKind, kPlain><<<plan.grid(), kRowThreads, 0, device.stream()>>>(
          DevicePair(args.pair), args.warped, plan, scale_of(args.count), left_scale,
          DeviceTarget(args.target), slots);
      check_launch("MSE");
      note_sampler(device, &difference_rows<T, kKind, kPlain>);
    });
  });
}

RowPlan plan_of(const ops::MseArgs& args) {
  return {args.pair.fixed.extent, args.range, kVoxelsPerBlock};
}

}  // namespace

Segments mse_segments(const ops::MseArgs& args) { return plan_of(args).sums(); }

void queue_mse(Device& device, const ops::MseArgs& args, const unsigned long long* counted,
               SegmentSums& segments) {
  const Range range("mse");
  if (segments.segments().count == 0) return;
  const ops::Array scale = device.allocate(sizeof(float));
  leave_scale<<<1, 1, 0, device.stream()>>>(counted, scale.as<float>());
  check_launch("MSE");
  launch(device, args, plan_of(args), scale.as<float>(), segments.slots());
}

void mse(Device& device, const ops::MseArgs& args, std::vector<ops::PlaneSums>& sums) {
  const Range range("mse");
  const Segments planned = mse_segments(args);
  if (planned.count == 0) return;
  SegmentSums segments(device, planned);
  launch(device, args, plan_of(args), nullptr, segments.slots());
  segments.collect(sums);
}

}  // namespace gigawarp::cuda

#include "cuda/mi.cuh"
#include "cuda/on_grid.cuh"

/// Mattes MI of two volumes on one grid, where nothing is sampled.
namespace gigawarp::cuda {
namespace {

/// Of two volumes on one grid. Per voxel: reads F and M.
template <class T, bool kPlain, int kCopies>
__global__ void __launch_bounds__(32 * kManyWarps, 1)
    grid_histogram_rows(const __grid_constant__ GridPair pair,
                        const __grid_constant__ RowSweep plan, const Bins bins,
                        unsigned long long* counts) {
  extern __shared__ unsigned cells[];
  const int all = bins.count * bins.count;
  clear_cells(cells, all * kCopies);
  unsigned* const mine = cells + (threadIdx.x & (kCopies - 1));
  const int begin = static_cast<int>(blockIdx.z) * kColumnsPerBlock;
  const int end = min(plan.nx, begin + kColumnsPerBlock);
  for_each_quad<T, kPlain>(pair, plan, begin, end, [&](const GridVoxels& v, int, int, int, int) {
    const auto add = [&](int i) { add_weights(mine, kCopies, place_of(bins, v.f[i], v.m[i])); };
    if (v.counted == 15U) {
#pragma unroll
      for (int i = 0; i < 4; ++i) add(i);
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        if (v.counts(i)) add(i);
    }
  });
  add_cells(cells, all, kCopies, counts);
}

/// Of two volumes on one grid. Per voxel: reads F and M; writes 4. In between two bins dL/dM is a
/// quadratic of the position. kQuadratic: its three coefficients lie in shared memory for every
/// place that bin_place() names, one row of each; otherwise the table does, a third of the size.
template <class T, bool kPlain, bool kQuadratic>
__global__ void __launch_bounds__(32 * kManyWarps, kPlain ? 2 : 1)
    grid_gradient_rows(const __grid_constant__ GridPair pair, const __grid_constant__ RowSweep plan,
                       const Bins bins, const float* derivative, float scale,
                       const __grid_constant__ GridTarget target) {
  extern __shared__ float table[];
  const int all = bins.count * bins.count;
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
  for_each_quad<T, kPlain>(
      pair, plan, 0, plan.nx, [&](const GridVoxels& v, int x, int count, int y, int z) {
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
          dl_dm[i] = v.counts(i) && v.m[i] > low && v.m[i] < high ? slope : 0.0F;
        }
        target.store(x, count, y, z, dl_dm);
      });
}

template <class T, bool kPlain>
void launch_histogram(Device& device, const ops::MiArgs& args, unsigned long long* counts) {
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
void launch_gradient(Device& device, const ops::MiArgs& args, const float* table) {
  const std::size_t bytes = cells_of(args) * sizeof(float);
  const auto launch = [&](auto* kernel, std::size_t shared) {
    allow_shared(kernel, shared);
    const RowSweep plan(args.pair.fixed.extent, args.range,
                        blocks_at_once(device, kernel, 32 * kManyWarps, shared), kManyWarps);
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

}  // namespace

void launch_grid_histogram(Device& device, const ops::MiArgs& args, unsigned long long* counts) {
  dispatch_grid_pair(args.pair, static_cast<bool>(args.warped), [&]<class T, bool kPlain>() {
    launch_histogram<T, kPlain>(device, args, counts);
  });
}

void launch_grid_gradient(Device& device, const ops::MiArgs& args, const float* derivative) {
  dispatch_grid_pair(args.pair, static_cast<bool>(args.warped), [&]<class T, bool kPlain>() {
    launch_gradient<T, kPlain>(device, args, derivative);
  });
}

}  // namespace gigawarp::cuda

#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cuda/rows.cuh"
#include "cuda/sampler.cuh"
#include "math/bins.h"
#include "math/metric.h"

/// Mattes MI: the joint histogram in fixed point, exact whatever the order, as the kernels that
/// sample (mi.cu) and those of two volumes on one grid (mi_on_grid.cu) add to it. Bins and weights
/// are those of cpu/mi.cpp.
namespace gigawarp::cuda {

/// No weight exceeds 43,692 of 65,536, so that 32-bit counts hold this many voxels in one cell.
constexpr std::int64_t kVoxelsPerHistogram = 90000;
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
/// has its own. In large volumes one block fills a multiprocessor; in small ones there are
/// kFewAtOnce.
constexpr int kManyWarps = 32, kFewAtOnce = 6;
constexpr std::int64_t kManyVoxels = std::int64_t{1} << 22U;

inline Bins bins_of(const ops::MiArgs& args) {
  return {math::BinAxis::fixed(args.fixed_bins.low, args.fixed_bins.high, args.bins),
          math::BinAxis::moving(args.moving_bins.low, args.moving_bins.high, args.bins), args.bins};
}

/// What dL/dp is multiplied with for dL/dM.
inline float scale_of(const ops::MiArgs& args) {
  return static_cast<float>(static_cast<double>(bins_of(args).moving.per_width) /
                            std::max(1.0, args.count));
}

template <class Kernel>
void allow_shared(Kernel* kernel, std::size_t bytes) {
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(bytes)),
        "asking for shared memory");
}

/// Of a kernel, on the whole device.
template <class Kernel>
int blocks_at_once(const Device& device, Kernel* kernel, int threads, std::size_t shared) {
  int blocks = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, threads, shared),
        "asking how many blocks fit");
  return std::max(1, blocks) * device.multiprocessors();
}

inline std::size_t cells_of(const ops::MiArgs& args) {
  return static_cast<std::size_t>(args.bins) * static_cast<std::size_t>(args.bins);
}

/// How the histogram's kernels are launched.
struct HistogramLaunch {
  int warps, copies;
  std::size_t shared;  ///< bytes
  RowSweep plan;
  dim3 grid;

  HistogramLaunch(const Device& device, const ops::MiArgs& args)
      : warps(voxels_of(args) >= kManyVoxels ? kManyWarps : kRowWarps),
        copies(copies_in(std::min(static_cast<std::size_t>(warps) << 12U, device.shared_bytes()) /
                         bytes_of(args))),
        shared(bytes_of(args) * static_cast<std::size_t>(copies)),
        // Rows are dealt to the lanes 128 voxels at a time, so that each histogram gets its share.
        plan(args.pair.fixed.extent, args.range,
             device.multiprocessors() * (warps == kManyWarps ? 1 : kFewAtOnce), warps,
             kVoxelsPerHistogram * copies / row_of(args)),
        grid(plan.grid(blocks_for(plan.nx, kColumnsPerBlock))) {}
  unsigned threads() const { return 32 * static_cast<unsigned>(warps); }

 private:
  static std::size_t bytes_of(const ops::MiArgs& args) { return cells_of(args) * sizeof(unsigned); }
  static std::int64_t row_of(const ops::MiArgs& args) {
    return (std::min<std::int64_t>(args.pair.fixed.extent.nx, kColumnsPerBlock) + 127) / 128 * 128;
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

/// Of two volumes on one grid (GradientTarget::intensity): adds the range to `counts`, bins × bins.
void launch_grid_histogram(Device& device, const ops::MiArgs& args, unsigned long long* counts);
/// dL/dM of the range, from dL/dp.
void launch_grid_gradient(Device& device, const ops::MiArgs& args, const float* derivative);

}  // namespace gigawarp::cuda

#include <algorithm>
#include <cstddef>

#include "cuda/lncc.cuh"
#include "cuda/on_grid.cuh"
#include "cuda/recorded_graph.h"

namespace gigawarp::cuda {
namespace {

/// A thread goes up a column of this many planes; what the next voxel needs is on its way while one
/// is sampled.
constexpr int kPlanesPerThread = 8;

struct SampleArgs {
  DevicePair pair;
  Plane<const float> warped;  ///< in place of sampling the value
  IntensityRing intensities;
  GradientRing gradients;
  IntensitySteps intensity;
  int begin, end, range_begin, range_end;
  LnccTotals* totals;
};

template <class T, TargetKind kKind, bool kPlain>
__global__ void __launch_bounds__(256, 6) sample_kernel(const __grid_constant__ SampleArgs args) {
  const DevicePair& pair = args.pair;
  const int x = static_cast<int>(blockIdx.x * 64 + threadIdx.x);
  const int y = static_cast<int>(blockIdx.y * 4 + threadIdx.y);
  const int z0 = args.begin + static_cast<int>(blockIdx.z) * kPlanesPerThread;
  const int z1 = min(z0 + kPlanesPerThread, args.end);
  unsigned valid = 0;
  if (x < pair.fixed.nx && y < pair.fixed.ny) {
    const math::Float3 base = pair.base<2>(x, y, 0);
    RingCursor<std::uint32_t> intensities(args.intensities, x, y, z0);
    RingCursor<std::uint64_t> gradients(args.gradients, x, y, max(z0, args.range_begin));
    const bool given = !kPlain && args.warped.data != nullptr;
    FixedLine<T, kPlain> line(pair, x, y, z0, 0, !given);
    for (int z = z0; z < z1; ++z) {
      const std::uint64_t word = given ? math::kPackedZero : line.word();
      const float f = line.fixed(pair);
      if (z + 1 < z1) line.next(pair);
      const bool own = z >= args.range_begin && z < args.range_end;
      constexpr bool kGradient = kKind != TargetKind::none;
      Sampled s;
      if (!given) {
        s = sample_voxel<T, kGradient, kPlain>(pair, x, y, z, pair.moving_point<2>(base, z, word));
      } else {
        // u and M are there for the planes of the range alone: the halo has its values.
        if (kGradient && own)
          s = sample_voxel<T, kGradient, kPlain>(
              pair, x, y, z, pair.moving_point<2>(base, z, pair.displacement(x, y, z)));
        s.value = *args.warped.at(x, y, z);
        s.inside = s.value == s.value;
      }
      const bool counts = s.inside && f == f;
      valid += counts && own ? 1 : 0;
      *intensities.get() = counts ? pack_intensities(args.intensity, f, s.value) : kNotCounted;
      intensities.next();
      if constexpr (kKind != TargetKind::none) {
        if (!own) continue;
        const math::Float3 g = target_gradient<kKind>(pair, x, y, z, s.gradient);
        *gradients.get() = math::pack_floats(g.x, g.y, g.z);
        gradients.next();
      }
    }
  }
  valid = __reduce_add_sync(0xffffffffU, valid);
  if ((threadIdx.x & 31U) == 0 && valid != 0) atomicAdd(&args.totals->count, valid);
}

/// A thread takes four voxels of a row in each of this many planes.
constexpr int kPlanesPacked = 4;

template <class T, bool kPlain>
__global__ void __launch_bounds__(256)
    pack_kernel(const __grid_constant__ GridPair pair, const IntensityRing intensities,
                const IntensitySteps unit, ops::ZRange planes, ops::ZRange range,
                LnccTotals* totals) {
  const int x = 4 * static_cast<int>(blockIdx.x * 32 + threadIdx.x);
  const int y = static_cast<int>(blockIdx.y * 8 + threadIdx.y);
  const int z0 = static_cast<int>(planes.begin) + static_cast<int>(blockIdx.z) * kPlanesPacked;
  const bool wide = intensities.stride_y % 4 == 0;  // its planes lie one behind the other
  unsigned valid = 0;
  const auto pack = [&](const GridVoxels& v, int count, int z) {
    if (z >= range.begin && z < range.end) valid += __popc(v.counted);
    std::uint32_t words[4];
#pragma unroll
    for (int k = 0; k < 4; ++k)
      words[k] = v.counts(k) ? pack_intensities(unit, v.f[k], v.m[k]) : kNotCounted;
    std::uint32_t* const to = intensities.at(x, y, z);
    if (wide && count >= 4) {
      *reinterpret_cast<uint4*>(to) = {words[0], words[1], words[2], words[3]};
      return;
    }
#pragma unroll
    for (int k = 0; k < 4; ++k)
      if (k < count) to[k] = words[k];
  };
  if (x < pair.fixed.nx && y < pair.fixed.ny) {
    const int count = pair.fixed.nx - x;
    if (kPlain && pair.wide && count >= 4 && z0 + kPlanesPacked <= planes.end) {
      RawVoxels<T> raw[kPlanesPacked];  // all on their way before the first is used
#pragma unroll
      for (int i = 0; i < kPlanesPacked; ++i) raw[i] = RawVoxels<T>::load_wide(pair, x, y, z0 + i);
#pragma unroll
      for (int i = 0; i < kPlanesPacked; ++i) pack(raw[i].scaled(pair, 4), 4, z0 + i);
    } else {
      for (int z = z0; z < min(z0 + kPlanesPacked, static_cast<int>(planes.end)); ++z)
        pack(load_voxels<T, kPlain>(pair, x, count, y, z), count, z);
    }
  }
  valid = __reduce_add_sync(0xffffffffU, valid);
  if ((threadIdx.x & 31U) == 0 && valid != 0) atomicAdd(&totals->count, valid);
}

}  // namespace

void lncc_pack(Device& device, const ops::LnccArgs& args, const IntensityRing& intensities,
               ops::ZRange planes, LnccTotals* totals) {
  if (planes.end <= planes.begin) return;
  const GridPair pair(args.pair, args.warped);
  const dim3 block(32, 8), blocks(blocks_for(pair.fixed.nx, 128), blocks_for(pair.fixed.ny, 8),
                                  blocks_for(planes.end - planes.begin, kPlanesPacked));
  dispatch_grid_pair(args.pair, static_cast<bool>(args.warped), [&]<class T, bool kPlain>() {
    pack_kernel<T, kPlain><<<blocks, block, 0, device.stream()>>>(
        pair, intensities.from(planes.begin), intensity_steps(args), planes, args.range, totals);
    check_launch("lncc packing");
  });
}

void lncc_sample(Device& device, const ops::LnccArgs& args, const IntensityRing& intensities,
                 const GradientRing& gradients, ops::ZRange planes, LnccTotals* totals) {
  if (planes.end <= planes.begin) return;
  SampleArgs a{DevicePair(args.pair),
               {},
               intensities.from(planes.begin),
               gradients.from(std::max(planes.begin, args.range.begin)),
               intensity_steps(args),
               static_cast<int>(planes.begin),
               static_cast<int>(planes.end),
               static_cast<int>(args.range.begin),
               static_cast<int>(args.range.end),
               totals};
  if (args.warped)
    a.warped = Plane<const float>(ops::SlabView<const float>{args.warped.data, args.warped.extent});
  const dim3 block(64, 4), blocks(blocks_for(a.pair.fixed.nx, 64), blocks_for(a.pair.fixed.ny, 4),
                                  blocks_for(planes.end - planes.begin, kPlanesPerThread));
  dispatch_pair(args.pair, static_cast<bool>(args.warped), [&]<class T, bool kPlain>() {
    dispatch_target(kind_of(args.target), [&]<TargetKind kKind>() {
      sample_kernel<T, kKind, kPlain><<<blocks, block, 0, device.stream()>>>(a);
      check_launch("lncc sampling");
      static_assert(offsetof(SampleArgs, pair) == 0);
      note_sampler(device, &sample_kernel<T, kKind, kPlain>);
    });
  });
}

}  // namespace gigawarp::cuda

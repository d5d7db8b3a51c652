#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "cuda/lncc_windows.cuh"
#include "cuda/strip_windows.cuh"

/// LNCC, second pass, launched.
namespace gigawarp::cuda {
namespace {

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
    value = finish_window<kOutcome>(args, true, to, gradient, *args.words.ring.at(x, y, z), x, y, z,
                                    WindowSize(args, SizeFactor(args, fmaxf(n, 1e-6F))), s);
    if (z < args.range_begin || z >= args.range_end) value = 0;
  }
  add_value(args.totals, value);
}

/// As many blocks as run at once.
template <int R, int kWarps, Outcome kOutcome, class Words>
void launch_strips_of(Device& device, const WindowArgs<Words>& args, const ops::Extent& e,
                      ops::ZRange planes) {
  using Shape = StripWindows<R, kWarps, Words::kAllCount>;
  const StripPlan plan(e, planes, Shape::kColumns, Shape::kMostRows,
                       Shape::bytes(2) <= device.shared_bytes() ? 2 : 1);
  const auto kernel = strip_windows<R, kWarps, kOutcome, Words>;
  const std::size_t bytes = Shape::bytes(plan.buffers);
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(bytes)),
        "lncc windows");
  const std::int64_t blocks = std::min<std::int64_t>(device.multiprocessors(), plan.all());
  kernel<<<static_cast<unsigned>(blocks), dim3(32, kWarps), bytes, device.stream()>>>(args, plan);
}

/// With as many warps of a block as measured to be fastest: fewer where a sink needs registers for
/// what it looks at.
template <Outcome kOutcome, class Words>
void launch_strips(Device& device, const WindowArgs<Words>& args, const ops::Extent& e,
                   ops::ZRange planes, int radius) {
  constexpr int kWarps = kOutcome == Outcome::field ? 12 : 16;
  const auto go = [&]<int R>() { launch_strips_of<R, kWarps, kOutcome>(device, args, e, planes); };
  switch (radius) {
    case 1: go.template operator()<1>(); return;
    case 2: go.template operator()<2>(); return;
    case 3: go.template operator()<3>(); return;
    case 4: go.template operator()<4>(); return;
    default: go.template operator()<5>(); return;
  }
}

template <Outcome kOutcome, class Words>
void launch(Device& device, const WindowArgs<Words>& args, const ops::Extent& e, ops::ZRange planes,
            const ops::Taps& taps, bool marches) {
  if (marches) {
    launch_strips<kOutcome>(device, args, e, planes, taps.radius);
  } else if constexpr (std::is_same_v<Words, RingWords>) {
    const dim3 block(64, 4), blocks(blocks_for(e.nx, 64), blocks_for(e.ny, 4),
                                    static_cast<unsigned>(planes.end - planes.begin));
    direct_window_kernel<kOutcome><<<blocks, block, 0, device.stream()>>>(
        args, MarchGrid(e, planes, 64, 4), DeviceTaps(taps), taps.radius);
  }
}

Outcome outcome_of(const ops::LnccArgs& args) {
  if (!args.target.wanted) return Outcome::value;
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
  const float steps = intensity_steps(args).steps;
  const WindowArgs<Words> w{words,
                            coefficients.from(planes.begin),
                            static_cast<int>(args.range.begin),
                            static_cast<int>(args.range.end),
                            args.epsilon * steps * steps * steps * steps,
                            2 * steps,
                            args.approximate_gradient ? 1.0F : 0.0F,
                            totals,
                            DeviceTarget(args.target),
                            gradients.from(planes.begin),
                            gradient_scale(args)};
  const bool marches = lncc_marches(args);
  switch (outcome_of(args)) {
    case Outcome::value: launch<Outcome::value>(device, w, e, planes, taps, marches); break;
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

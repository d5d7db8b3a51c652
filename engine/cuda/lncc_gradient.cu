#include <algorithm>
#include <type_traits>

#include "cuda/direct.cuh"
#include "cuda/lncc.cuh"

/// LNCC, third pass: dL/dM(y) = −(1/N)·(F(y)·Σp − M(y)·Σq + Σr), sums over the window at y.
namespace gigawarp::cuda {
namespace {

template <TargetKind kKind, class Words>
struct GradientOp {
  static constexpr bool kBox = true, kClamp = false;
  using Raw = std::uint64_t;
  struct Ahead {
    typename Words::Raw raw{};
    std::uint64_t gradient = 0;
  };
  using State = ThreadSums;

  DeviceTarget target;
  Words words;
  CoefficientRing coefficients;
  GradientRing gradients;
  float scale;
  double* slots;

  __device__ int offset(int x, int y) const { return y * coefficients.stride_y + x; }
  __device__ Raw load(int at, int z) const { return __ldg(coefficients.plane(z) + at); }
  __device__ math::Float3 value(Raw raw, int, int, int) const { return math::unpack_floats(raw); }
  __device__ Ahead load_ahead(int x, int y, int z) const {
    Ahead ahead{words.plane(z)(static_cast<unsigned>(y * words.stride_y() + x))};
    if constexpr (kKind != TargetKind::intensity) ahead.gradient = *gradients.at(x, y, z);
    return ahead;
  }
  __device__ void sink(State& state, const Ahead& ahead, int x, int y, int z,
                       const math::Float3& c) const {
    const std::uint32_t word = words.word(ahead.raw);
    const float f = static_cast<float>(fixed_steps(word)),
                m = static_cast<float>(moving_steps(word));
    const float dl_dm = is_counted(word) ? scale * (f * c.x - m * c.y + c.z) : 0.0F;
    if constexpr (kKind == TargetKind::intensity)
      *target.intensity.at(x, y, z) = target.weight * dl_dm;
    else
      deliver_product<kKind>(target, x, y, z, math::unpack_floats(ahead.gradient), dl_dm, state);
  }
  __device__ void finish(const State& state, int thread, int segment, int tile, int tiles) const {
    if constexpr (kKind == TargetKind::linear)
      store_block_sums(state, thread, static_cast<int>(blockDim.x * blockDim.y),
                       slots + (static_cast<std::int64_t>(segment) * tiles + tile) * kSums);
  }
};

constexpr int kX = 32, kY = 16;  ///< of a tile

template <int R, class Op>
void launch_tiles(Device& device, const Op& op, const ops::Extent& e, ops::ZRange planes,
                  const ops::Taps& taps) {
  launch_march<R, kX, kY, 2, 4>(device, op, e, planes, taps, "lncc gradient");
}

bool direct_path(const ops::LnccArgs& args) {
  return !lncc_marches(args) && !args.approximate_gradient;
}

template <TargetKind kKind, class Words>
void launch(Device& device, const ops::LnccArgs& args, const ops::Taps& taps,
            const GradientOp<kKind, Words>& op, ops::ZRange planes) {
  const ops::Extent& e = args.pair.fixed.extent;
  if (args.approximate_gradient) {
    launch_tiles<0>(device, op, e, planes, ops::Taps::box(0));
  } else if (direct_path(args)) {
    if constexpr (std::is_same_v<Words, RingWords>)
      launch_direct(device, op, e, planes, taps, "lncc gradient");
  } else if (taps.radius == 1) {
    launch_tiles<1>(device, op, e, planes, taps);
  } else {
    launch_tiles<2>(device, op, e, planes, taps);
  }
}

/// How the march over a whole volume is cut; the same for every slab.
MarchGrid whole_grid(const ops::LnccArgs& args) {
  const ops::Extent& e = args.pair.fixed.extent;
  return {e, {0, e.nz}, kX, kY};
}

}  // namespace

int lncc_tiles(const ops::LnccArgs& args) {
  const ops::Extent& e = args.pair.fixed.extent;
  if (direct_path(args)) return static_cast<int>(blocks_for(e.nx, 64) * blocks_for(e.ny, 4));
  if (lncc_is_wide(args)) return lncc_strips(args);
  return whole_grid(args).tiles();
}

int lncc_segment(const ops::LnccArgs& args) {
  if (direct_path(args) || lncc_is_wide(args)) return 1;
  return whole_grid(args).segment;
}

template <class Words>
void lncc_gradient(Device& device, const ops::LnccArgs& args, const ops::Taps& taps,
                   const Words& words, const CoefficientRing& coefficients,
                   const GradientRing& gradients, ops::ZRange planes, double* slots) {
  if (planes.end <= planes.begin) return;
  if (lncc_is_wide(args)) {
    lncc_gradient_wide(device, args, words, coefficients, gradients, planes, slots);
    return;
  }
  const int back = args.approximate_gradient ? 0 : taps.radius;
  const float scale = gradient_scale(args);
  const auto go = [&]<TargetKind kKind>() {
    launch<kKind, Words>(device, args, taps,
                         {DeviceTarget(args.target), words,
                          coefficients.from(std::max<std::int64_t>(planes.begin - back, 0)),
                          gradients.from(planes.begin), scale, slots},
                         planes);
  };
  const TargetKind kind = kind_of(args.target);
  if (kind == TargetKind::intensity) go.template operator()<TargetKind::intensity>();
  if constexpr (std::is_same_v<Words, RingWords>) {
    if (kind == TargetKind::field || kind == TargetKind::symmetric_field)
      go.template operator()<TargetKind::field>();
    if (kind == TargetKind::linear) go.template operator()<TargetKind::linear>();
  }
}

template void lncc_gradient(Device&, const ops::LnccArgs&, const ops::Taps&, const RingWords&,
                            const CoefficientRing&, const GradientRing&, ops::ZRange, double*);
template void lncc_gradient(Device&, const ops::LnccArgs&, const ops::Taps&,
                            const ImageWords<std::uint8_t>&, const CoefficientRing&,
                            const GradientRing&, ops::ZRange, double*);
template void lncc_gradient(Device&, const ops::LnccArgs&, const ops::Taps&,
                            const ImageWords<std::uint16_t>&, const CoefficientRing&,
                            const GradientRing&, ops::ZRange, double*);

}  // namespace gigawarp::cuda

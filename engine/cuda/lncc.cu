#include "cuda/lncc.cuh"

#include <algorithm>
#include <limits>
#include <optional>

#include "cuda/cuda_ops.h"

/// LNCC in chunks of planes (ops::LnccChunks): sample, windows, gradient follow one another through
/// rings that hold a chunk and its halo, so that the intermediates take a few hundred planes
/// whatever the volume.
namespace gigawarp::cuda {
namespace {

/// The intermediates of one call.
struct Rings {
  ops::Array intensity_array, coefficient_array, gradient_array;
  IntensityRing intensities;
  CoefficientRing coefficients;
  GradientRing gradients;

  Rings(Device& device, const ops::LnccArgs& args, const ops::LnccChunks& chunks) {
    const ops::Extent& e = args.pair.fixed.extent;
    const auto make = [&]<class T>(ops::Array& array, PlaneRing<T>& ring, int planes,
                                   std::int64_t row) {
      array = device.allocate(static_cast<std::size_t>(planes * row * e.ny) * sizeof(T));
      ring = {array.as<T>(), planes, static_cast<int>(row), static_cast<int>(row * e.ny)};
    };
    if (image_words(args) == 0) {
      make(intensity_array, intensities, chunks.intensity_planes, chunks.row);
      fill_quads(device, e);
    }
    if (!args.target.wanted) return;
    if (!windows_deliver(args))
      make(coefficient_array, coefficients, chunks.coefficient_planes, chunks.row);
    if (args.target.intensity) return;
    if (args.target.field && !args.target.accumulate) {
      const Plane<std::uint64_t> field(args.target.field.packed);
      gradients = {field.data, std::numeric_limits<int>::max(), field.stride_y, field.stride_z};
    } else {
      make(gradient_array, gradients, chunks.gradient_planes, e.nx);
    }
  }

 private:
  /// What fills the last quad of a row counts nowhere.
  void fill_quads(Device& device, const ops::Extent& e) const {
    const auto row = static_cast<std::size_t>(intensities.stride_y),
               filled = row - static_cast<std::size_t>(e.nx);
    if (filled == 0) return;
    constexpr std::size_t kBytes = sizeof(std::uint32_t);
    check(cudaMemset2DAsync(intensities.data + e.nx, row * kBytes, 0, filled * kBytes,
                            static_cast<std::size_t>(intensities.planes * e.ny), device.stream()),
          "lncc");
  }
};

/// Where the sums of linear stages go that begin at plane z.
double* slots_of_plane(const SegmentSums* linear, std::int64_t z) {
  if (linear == nullptr) return nullptr;
  const Segments& s = linear->segments();
  return linear->slots() + (z / s.planes - s.first) * s.blocks * kSums;
}

/// `fill(planes)` brings words of those planes to the ring; `words_from(z)` gives what a launch
/// whose lowest plane is z takes its words from.
template <class Fill, class WordsFrom>
void run_chunks(Device& device, const ops::LnccArgs& args, LnccTotals* totals,
                const SegmentSums* linear, const Rings& rings, const ops::LnccChunks& chunks,
                const ops::Taps& taps, const Fill& fill, const WordsFrom& words_from) {
  const ops::Extent& e = args.pair.fixed.extent;
  const std::int64_t r = taps.radius, back = args.approximate_gradient ? 0 : r;
  const std::int64_t begin = args.range.begin, end = args.range.end;
  std::int64_t filled = std::max<std::int64_t>(0, begin - r - back),
               windowed = std::max<std::int64_t>(0, begin - back);
  for (std::int64_t z0 = begin; z0 < end;) {
    const std::int64_t z1 = std::min(end, (z0 / chunks.planes + 1) * chunks.planes);
    const std::int64_t fill_end = std::min(e.nz, z1 + r + back),
                       window_end = std::min(e.nz, z1 + back);
    fill(ops::ZRange{filled, fill_end});
    lncc_windows(device, args, taps, words_from(std::max<std::int64_t>(windowed - r, 0)),
                 rings.coefficients, rings.gradients, {windowed, window_end}, totals);
    filled = fill_end;
    windowed = window_end;
    if (args.target.wanted && !windows_deliver(args))
      lncc_gradient(device, args, taps, words_from(z0), rings.coefficients, rings.gradients,
                    {z0, z1}, slots_of_plane(linear, z0));
    z0 = z1;
  }
}

void run(Device& device, const ops::LnccArgs& args, LnccTotals* totals, const SegmentSums* linear) {
  const ops::Taps taps = args.window == WindowKind::box ? ops::Taps::box(args.radius)
                                                        : ops::Taps::gaussian_window(args.radius);
  const int image_bytes = image_words(args);
  const bool words = image_bytes == 0;
  // A run counts on the rings it was planned with; two volumes on one grid may take a part of what
  // is left.
  const std::int64_t rings_bytes =
      words ? ops::LnccChunks::kRings
            : std::clamp(device.left() / 4, ops::LnccChunks::kRings, ops::LnccChunks::kMostRings);
  const ops::LnccChunks chunks(args.pair.fixed.extent, taps.radius,
                               args.approximate_gradient ? 0 : taps.radius, words, rings_bytes);
  const Rings rings(device, args, chunks);
  const auto go = [&](const auto& fill, const auto& words_from) {
    run_chunks(device, args, totals, linear, rings, chunks, taps, fill, words_from);
  };
  const auto from_images = [&]<class Bits>() {
    const ImageWords<Bits> words(args.pair, intensity_steps(args));
    go([](ops::ZRange) {}, [&](std::int64_t) { return words; });
  };
  switch (image_bytes) {
    case 1: from_images.template operator()<std::uint8_t>(); return;
    case 2: from_images.template operator()<std::uint16_t>(); return;
    default: break;
  }
  go(
      [&](ops::ZRange planes) {
        if (args.target.intensity)
          lncc_pack(device, args, rings.intensities, planes, totals);
        else
          lncc_sample(device, args, rings.intensities, rings.gradients, planes, totals);
      },
      [&](std::int64_t z) { return RingWords{rings.intensities.from(z)}; });
}

}  // namespace

int image_words(const ops::LnccArgs& args) {
  const ops::ImagePair& p = args.pair;
  const ops::Extent &f = p.fixed.extent, &m = p.moving.extent;
  if (!args.target.intensity || !is_plain(p, static_cast<bool>(args.warped)) ||
      !lncc_marches(args) || (p.fixed.type != ScalarType::u8 && p.fixed.type != ScalarType::u16))
    return 0;
  const DeviceImage fixed(p.fixed), moving(p.moving);
  const std::size_t size = size_of(p.fixed.type);
  const bool alike = f.stride_y == m.stride_y && f.stride_z == m.stride_z && f.nx % 4 == 0 &&
                     holds_quads(fixed.data, fixed.stride_y, fixed.stride_z, size) &&
                     holds_quads(moving.data, moving.stride_y, moving.stride_z, size);
  constexpr float kMostScale = ImageWords<std::uint8_t>::kMostScale;
  if (fixed.scale > kMostScale || moving.scale > kMostScale) return 0;
  return alike ? static_cast<int>(size) : 0;
}

Segments lncc_segments(const ops::LnccArgs& args) {
  return {args.range, lncc_segment(args), lncc_tiles(args)};
}

void queue_lncc(Device& device, const ops::LnccArgs& args, LnccTotals* totals,
                const SegmentSums* linear) {
  const Range nvtx("lncc");
  if (args.range.end > args.range.begin) run(device, args, totals, linear);
}

void lncc(Device& device, const ops::LnccArgs& args, std::vector<ops::PlaneSums>& sums) {
  const Range nvtx("lncc");
  const std::int64_t begin = args.range.begin, end = args.range.end;
  for (std::int64_t z = begin; z < end; ++z) sums[static_cast<std::size_t>(z)] = {};
  if (end <= begin) return;
  const ops::Array totals_array = device.allocate(sizeof(LnccTotals));
  auto* totals = totals_array.as<LnccTotals>();
  check(cudaMemsetAsync(totals, 0, sizeof(LnccTotals), device.stream()), "lncc");
  std::optional<SegmentSums> linear;
  if (kind_of(args.target) == TargetKind::linear) linear.emplace(device, lncc_segments(args));
  run(device, args, totals, linear ? &*linear : nullptr);
  if (linear) linear->collect(sums);
  const auto host = device.read<LnccTotals>(totals, "lncc");
  ops::PlaneSums& all = sums[static_cast<std::size_t>(begin)];
  all.value = lncc_value(host);
  all.count = static_cast<double>(host.count);
}

}  // namespace gigawarp::cuda

#pragma once
#include <algorithm>
#include <cstdint>

#include "ops/view.h"

namespace gigawarp::ops {

/// How back ends with scarce memory cut LNCC along z: chunk after chunk is sampled, turned into
/// coefficients and then into the gradient, and what they hand to one another lies in rings of
/// planes that hold a chunk and its halo. Chunks are whole segments: a march keeps one sum per
/// segment.
struct LnccChunks {
  static constexpr int kSegment = 64;  ///< planes of one block of a march, at most
  static constexpr std::int64_t kRings = std::int64_t{1} << 28;  ///< bytes that are worth having
  /// Where two volumes on one grid are all there is, and memory is left: marches begin anew less
  /// often.
  static constexpr std::int64_t kMostRings = std::int64_t{1} << 31;

  int planes = 0;  ///< of a chunk
  int row = 0;     ///< voxels of the rows of intensities and coefficients: whole quads
  int intensity_planes = 0, coefficient_planes = 0, gradient_planes = 0;  ///< of the rings
  bool keeps_coefficients = true;

  /// `radius` of the window; `back`: that of the second pass, zero for the approximate gradient;
  /// `words`: intensities are kept as well. Without them there are no sums per segment either.
  /// `rings`: bytes that they may take.
  LnccChunks(const Extent& e, int radius, int back, bool words = true,
             std::int64_t rings = kRings) {
    const std::int64_t bytes = words ? 4 + 8 : 8, whole = words ? kSegment : 4,
                       most = rings / (e.nx * e.ny * bytes) - 4 * std::int64_t{radius};
    planes = static_cast<int>(
        most >= e.nz ? e.nz : std::max<std::int64_t>(kSegment, most / whole * whole));
    const auto ring = [&](int beyond) {
      return static_cast<int>(std::min<std::int64_t>(e.nz, std::int64_t{planes} + beyond));
    };
    intensity_planes = ring(2 * (radius + back));
    // `back` more than the volume has: sums along z take the place of planes further down.
    coefficient_planes = std::min(static_cast<int>(e.nz) + back, planes + 2 * back);
    gradient_planes = ring(radius + back);
    row = static_cast<int>((e.nx + 3) / 4 * 4);
    keeps_coefficients = back > 0;
  }
  /// Of the rings: intensities 4 and coefficients 8 per voxel and, where the gradient of M has no
  /// place in the field that the result goes to, 8 for that. The approximate gradient of a field
  /// keeps no coefficients.
  std::int64_t bytes(const Extent& e, bool gradient_apart) const {
    return row * e.ny *
               (4 * std::int64_t{intensity_planes} +
                (keeps_coefficients ? 8 * std::int64_t{coefficient_planes} : 0)) +
           (gradient_apart ? e.nx * e.ny * 8 * std::int64_t{gradient_planes} : 0);
  }
};

}  // namespace gigawarp::ops

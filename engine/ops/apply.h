#pragma once
#include <array>
#include <stop_token>

#include "gigawarp/transform.h"
#include "gigawarp/volume_feed.h"

namespace gigawarp {

enum class Interpolation {
  linear,   ///< trilinear; integer volumes are rounded to the nearest value
  nearest,  ///< the value of the nearest voxel (ties upwards)
  label,    ///< label-linear: the label whose trilinear weights sum highest; values never mix
};

/// Resamples `moving` on the lattice `reference`: out(x) = moving(moving_from_fixed(x)). The voxel
/// type, the channels and their order stay. Points outside the moving grid's extent (half a voxel
/// beyond the outer centres, ITK's rule) or where the transform is undefined become `background`,
/// clamped to the range of the type. An identity on the same lattice gives the same values bit for
/// bit. Neighbouring affine stages are multiplied; a field that lives on `reference` is read voxel
/// by voxel. Results do not depend on the number of threads. Throws Error{cancelled} when `stop` is
/// requested, and Error{bad_input} for singular geometry.
Volume apply_transform(const Volume& moving, const Transform& moving_from_fixed,
                       const Grid& reference, Interpolation interpolation, double background = 0,
                       std::stop_token stop = {});

/// The voxels of `box` of what apply_transform() would give, bit for bit, reading of `moving` only
/// what they need: for volumes larger than memory. Memory holds the box and what is read for some
/// tiles of 256 voxels along x and y through the box; with fields in the transform also 24 bytes
/// for each voxel of up to four tiles. `first_mm` (may be null): a displacement on `reference`, 3
/// channels of f32, that goes before the transform and is read by the box, too.
Volume apply_transform_to_box(const VolumeFeed& moving, const VolumeFeed* first_mm,
                              const Transform& moving_from_fixed, const Grid& reference,
                              const Box& box, Interpolation interpolation, double background = 0,
                              const std::stop_token& stop = {});

/// How a box is resampled.
struct BoxRule {
  Interpolation interpolation = Interpolation::linear;
  double background = 0;
  std::stop_token stop;
};
/// The displacement of a box, or of its two halves, of which one is brought while the other is
/// used.
struct HeldField {
  std::array<Volume, 2> part;
};
/// The same into the caller's memory, as VolumeFeed::read() fills it. A caller that keeps `held`
/// has its memory used again.
void apply_transform_to_box(const VolumeFeed& moving, const VolumeFeed* first_mm,
                            const Transform& moving_from_fixed, const Grid& reference,
                            const Box& box, const BoxRule& rule, HeldField& held, std::byte* out);

/// An affine and then a displacement (3 channels of f32, mm; null: none) on any lattice, which is
/// in memory, is large and stays whose it is.
struct BorrowedMap {
  Affine before;
  const Volume* displacement_mm = nullptr;
};
/// The same by such a map: the bits of a Transform of the two.
void apply_map_to_box(const VolumeFeed& moving, const BorrowedMap& moving_from_fixed,
                      const Grid& reference, const Box& box, const BoxRule& rule, std::byte* out);

/// The whole transform as displacements in mm on `grid`; NaN where it is undefined. Throws as
/// above.
DisplacementField sample_displacement(const Transform& transform, const Grid& grid,
                                      std::stop_token stop = {});

}  // namespace gigawarp

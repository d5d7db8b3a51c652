#pragma once
#include <array>
#include <cstdint>
#include <stop_token>

#include "gigawarp/transform.h"
#include "gigawarp/volume_feed.h"
#include "ops/view.h"

namespace gigawarp {

/// How far (id + inverse) o (id + forward) is from the identity, in mm, over the voxels of the
/// forward grid whose image lies inside the inverse's grid; NaN voxels ("outside") are left out.
struct InverseError {
  std::int64_t voxels = 0;  ///< that were measured; none: the figures say nothing
  double mean_mm = 0, p95_mm = 0, max_mm = 0;
};

/// The inverse displacement on `target`: v with v(y) = -u(y + v(y)), by Newton's method per voxel,
/// started from the solution of the row before, at most `max_iterations` steps, until no residual
/// v(y) + u(y + v(y)) of a block of 64 voxels exceeds `tolerance_mm`. A step after which the
/// residual is not less than before is halved, but for every third in a row (math/inversion.h), and
/// none leads further than the field's longest displacement; where the field all but folds a
/// fixed-point step (Chen, Lu, Chen & Ruchala, Med. Phys. 35(1), 2008) takes its place. The best of
/// all steps is kept. Beyond its grid u is continued by its edge value, so that voxels whose origin
/// lies outside get a smooth answer. NaN where u is "outside". Arithmetic is f32 on offsets from
/// the voxel (about 1e-5 voxel); inverse_error() measures in double. Results do not depend on the
/// number of threads. Memory: forward, inverse and a few rows per thread. Throws Error{cancelled}
/// when `stop` is requested.
DisplacementField invert(const DisplacementField& forward, const Grid& target,
                         int max_iterations = 30, double tolerance_mm = 1e-3,
                         std::stop_token stop = {});

/// The same where the longest displacement along each axis is known, voxels (InvertArgs::farthest).
DisplacementField invert_within(const DisplacementField& forward,
                                const std::array<float, 3>& farthest, const Grid& target,
                                int max_iterations, double tolerance_mm,
                                const std::stop_token& stop = {});
/// Of a field that is here whole.
std::array<float, 3> farthest_voxels(const DisplacementField& field);

/// invert() of a field that may lead far off its own grid (a template in another space): there it
/// starts from the mean displacement, as the edge value that it would look at first may be
/// "outside" or wrong. The bits of invert() for a field that stays within 99 % of its voxels.
DisplacementField invert_far(const DisplacementField& forward, const Grid& target,
                             int max_iterations = 30, double tolerance_mm = 1e-3,
                             const std::stop_token& stop = {});

/// Where to invert a field so that the inverse is known wherever the field leads: its own grid if
/// it leads 99 % of its voxels there, else one of the same voxels that holds both, or at least what
/// the field leads to. Throws Error{bad_input} where that has more than four times the voxels.
Grid inverse_lattice(const DisplacementField& forward);

/// Planes of invert_within() with the forward grid as target, into `out`, which receives those
/// planes of each component: the same bits. `forward_mm` holds planes of `grid` from `first` on, 3
/// channels of f32: as many around `planes` as the longest displacement spans, and two more.
void invert_planes(const Grid& grid, const Volume& forward_mm, std::int64_t first,
                   const std::array<float, 3>& farthest, ops::ZRange planes, int max_iterations,
                   double tolerance_mm, float* const out[3], const std::stop_token& stop = {});

/// Measures the composition in double; p95 is exact to 1 %.
InverseError inverse_error(const DisplacementField& forward, const DisplacementField& inverse);
/// The same of displacements of which planes are read, 3 channels of f32, mm: on every
/// `plane_step`-th plane of the forward grid. Beside a slab, memory holds the planes of the inverse
/// that a plane leads to. The same bits as above with a step of 1.
InverseError inverse_error(const VolumeFeed& forward_mm, const VolumeFeed& inverse_mm,
                           std::int64_t plane_step = 1);

}  // namespace gigawarp

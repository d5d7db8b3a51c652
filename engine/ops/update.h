#pragma once
#include <algorithm>
#include <array>
#include <cmath>

#include "math/bfloat16.h"
#include "ops/view.h"

/// Contracts of the optimiser's passes over the displacement (engine.md §3).
namespace gigawarp::ops {

/// g -> smooth(g) -> moments -> direction. Reads g 12, m 6, v 4; writes m 6, v 4, d 12 bytes per
/// voxel. Halo: the radius of the Gaussian.
struct DirectionArgs {
  FieldView gradient;                        ///< dL/du
  SlabView<math::Bfloat16> first_moment[3];  ///< m
  SlabView<float> second_moment;  ///< v: one number per voxel, mean square of the components
  FieldView direction;            ///< out: m̂/(√v̂ + ε) · r/(r + κ), see math/adam.h
  ZRange range;
  double sigma_voxels = 1;
  float beta1 = 0.9F, beta2 = 0.99F;
  int step = 1;  ///< 1-based: bias correction
  float epsilon = 1e-8F;
  float incoherence_damping = 0;  ///< κ of math::agreement(); 0: none
  /// In place of first_moment, second_moment and direction in compact back ends: m and √v in one
  /// word (math::PackedMoments). compose() computes d from them.
  SlabView<std::uint64_t> moments;
};

/// v(i) = δ(i) + u(i + δ(i)) with δ = scale·d, then smoothed: out = smooth(v, σ). Reads d 12, u 12,
/// writes 12. Halo: Gaussian radius + 1 plane where |δ| <= 1 voxel.
///
/// Between voxels u is trilinear, with clamped edges. Short steps, |δx| + |δy| + |δz| <= 1, take
/// u(i) and its neighbour along each axis on the side to which δ points: u(i) + Σ |δ_a|·(u(i ± e_a)
/// − u(i)). That is exact for linear u and a mean with positive weights; it leaves out the mixed
/// second differences, half as many numbers are read, and rows need no gathers.
struct ComposeArgs {
  /// |δ| up to here is short whatever its direction.
  static constexpr double kLongestShortStep = 0.577;

  FieldView direction;
  FieldView displacement;
  FieldView out;
  ZRange range;
  float scale = 1;
  double sigma_voxels = 0.5;
  bool short_step = false;  ///< compact back ends: exactly where `from_moments` is given
  const DirectionArgs* from_moments = nullptr;  ///< compact: what made the moments, as it was
};

/// Finds voxels whose det(I + grad u) (central differences, one-sided at the border) is below
/// `minimum` and relaxes u around them until there are none, or `sweeps` are used up.
struct RepairArgs {
  FieldView displacement;  ///< in and out
  ZRange range;
  float minimum = 0.1F;
  int sweeps = 20;
  /// For find_folds() and relax_folds(), the two halves of repair_folds(): fold_words() words.
  std::uint32_t* marks = nullptr;
  /// Optional: a field of the displacement's extent that nobody needs. Compact back ends keep what
  /// they relax there, and take memory where there is none.
  FieldView beside = {};
};
/// One bit per voxel of the planes stored: words of 32 voxels along x, rows padded to whole words,
/// so that planes never share one.
inline std::int64_t fold_words_of_plane(const Extent& e) { return (e.nx + 31) / 32 * e.ny; }
inline std::int64_t fold_words(const Extent& e) {
  return fold_words_of_plane(e) * (e.z_end - e.z_begin);
}

/// How far around a fold the given sweep relaxes, voxels; the first is number 0.
constexpr int relaxation_radius(int sweep) { return 1 + sweep / 8; }

/// The inverse displacement, v(i) = -u(i + v(i)), trilinear with clamped edges, by Newton's method
/// until the residual is below `tolerance_voxels` or `iterations` are used up
/// (ops/invert_field.h). Both fields on one grid, in its voxels. Reads u as far from the range as
/// `farthest`, writes the planes of the range.
struct InvertArgs {
  FieldView displacement;
  FieldView out;
  ZRange range;
  int iterations = 60;
  double tolerance_voxels = 1e-3;
  /// No displacement is longer along an axis, so that no step looks further: of
  /// Backend::displacement_range(), by within(). Ranks fetch so many planes: all, unless it is set.
  std::array<float, 3> farthest{kAnywhere, kAnywhere, kAnywhere};

  static constexpr float kAnywhere = 1e9F;
  /// With room for rounding.
  static float within(float longest) { return longest * 1.0001F + 0.001F; }
  static std::array<float, 3> within(const std::array<float, 6>& range) {
    std::array<float, 3> out{};
    for (std::size_t a = 0; a < 3; ++a)
      out[a] = within(std::max(std::abs(range[a]), std::abs(range[3 + a])));
    return out;
  }
};

struct FoldRepair {
  std::int64_t found = 0;      ///< voxels below the minimum before the first sweep
  std::int64_t remaining = 0;  ///< after the last
};

}  // namespace gigawarp::ops

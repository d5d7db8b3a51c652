#pragma once
#include <vector>

#include "gigawarp/grid.h"
#include "gigawarp/job.h"
#include "ops/view.h"

/// Contracts of the similarity operations: sampling, LNCC, Mattes MI and MSE with exact gradients.
/// Definitions: cpu/warp.cpp, cpu/lncc.cpp, cpu/mi.cpp, cpu/mse.cpp.
namespace gigawarp::ops {

/// Where a back end samples inside the similarity operations (Backend::samples_itself()), `warped`
/// is absent in their arguments: they evaluate M(T(i + u(i))) by the rules of warp() and report the
/// voxels that count in `sums` or the histogram's total.

/// One channel of one level: fixed F(i), moving M sampled at T(i + u(i)).
struct ImagePair {
  ImageView fixed;
  ImageView moving;          ///< all planes that T(i + u) can reach
  ImageView fixed_mask;      ///< optional; u8, on the fixed grid; zero: does not count
  ImageView moving_mask;     ///< optional; u8, on the moving grid; nearest voxel decides
  Affine moving_from_fixed;  ///< moving voxel from fixed voxel: T
  FieldView displacement;    ///< optional: u, fixed voxels; absent in linear stages
};

/// Where a gradient goes: dL/du into a field, its contraction with the affine parameters, or, of
/// two volumes on one grid, dL/dM itself.
///
/// `symmetric` replaces T_linᵀ∇M by the mean of it and ∇F, the fixed volume's own gradient (central
/// differences; halo of F: one plane): the efficient second-order step (Benhimane & Malis, IROS
/// 2004; Vercauteren et al., NeuroImage 45, 2009). At a match of two volumes of one contrast both
/// are the same but for noise and interpolation, which the mean halves. It is a descent direction,
/// no longer the exact derivative of the loss, and only for volumes of one contrast.
struct GradientTarget {
  FieldView field;          ///< dL/du(i) = T_linᵀ ∇M(T(i+u)) dL/dM(i); absent for linear stages
  bool accumulate = false;  ///< add to `field` (second and later channels)
  float weight = 1;         ///< of this channel
  bool symmetric = false;   ///< only with `field`
  bool wanted = true;       ///< false: the value alone is of interest; a back end may save the rest
  /// The field holds gradient / unit. Compact forms take the mean over the voxels out (unit is
  /// 1 / count), so that their exponents do not depend on the size of the volume.
  double unit = 1;
  /// In place of `field`: dL/dM(i), the metric's own derivative, times `weight`; zero where a voxel
  /// does not count. The moving volume lies on the fixed grid and is read voxel by voxel: T is the
  /// identity, u absent.
  SlabView<float> intensity = {};
};

/// Sums over one plane, kept apart so that totals are added in one fixed order.
struct PlaneSums {
  double value = 0;          ///< sum of the voxel losses
  double count = 0;          ///< voxels that count
  double gradient[3] = {};   ///< linear: sum of ∇M·dL/dM, moving-voxel axes
  double moment[3][3] = {};  ///< linear: sum of ∇M_r·dL/dM · i_c, fixed-voxel index i

  PlaneSums& operator+=(const PlaneSums& other) {
    value += other.value;
    count += other.count;
    for (int r = 0; r < 3; ++r) {
      gradient[r] += other.gradient[r];
      for (int c = 0; c < 3; ++c) moment[r][c] += other.moment[r][c];
    }
    return *this;
  }
};

/// Composite sampler. warped(i) = M(T(i + u(i))), trilinear; NaN where the point lies more than
/// half a voxel outside the moving grid or a mask excludes it. Returns per-plane counts of the
/// voxels that count in `sums` (indexed by global z). Reads u 12 bytes, 8 corners of M; writes 4.
/// Without `warped` it only counts.
struct WarpArgs {
  ImagePair pair;
  SlabView<float> warped;
  ZRange range;
};

/// Squared local normalised cross-correlation, L = -mean cc over the voxels that count. `halo`: F
/// and warped must be valid 2·radius planes beyond `range` (inside the volume). Windows are cut at
/// the volume border and at voxels that do not count.
struct LnccArgs {
  ImagePair pair;
  SlabView<float> warped;  ///< from warp()
  ZRange range;
  int radius = 2;
  WindowKind window = WindowKind::box;
  bool approximate_gradient = false;
  float epsilon = 1e-4F;  ///< on the product of the variances
  double count = 1;       ///< voxels that count, whole volume
  GradientTarget target;
};

/// Joint histogram in 64-bit fixed point, exact whatever the order of summation.
struct JointHistogram {
  static constexpr double kOne = 65536.0;  ///< a voxel's weight
  int bins = 32;
  std::vector<std::int64_t> counts;  ///< bins × bins, fixed bin slowest
  double total() const;              ///< voxels that count
};

/// Maps intensities to bins: bin position = (value - low) * inverse_width, clamped.
struct BinRange {
  float low = 0, high = 1;
};

struct MiArgs {
  ImagePair pair;
  SlabView<float> warped;
  ZRange range;
  int bins = 32;
  BinRange fixed_bins, moving_bins;  ///< of the scaled intensities
  double count = 1;
  GradientTarget target;
};

struct MseArgs {
  ImagePair pair;
  SlabView<float> warped;
  ZRange range;
  double count = 1;
  GradientTarget target;
};

/// L = -MI in nats, and the table dL/dp(f, m) that the backward pass interpolates (bins × bins,
/// f32).
struct MiTable {
  double loss = 0;
  std::vector<float> derivative;
};
MiTable mutual_information(const JointHistogram& histogram);

}  // namespace gigawarp::ops

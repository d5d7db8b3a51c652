#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "gigawarp/grid.h"
#include "gigawarp/volume.h"

namespace gigawarp {

/// A dense displacement in world millimetres (LPS) on a grid: x -> x + d(x). Layout: f32, three
/// planar channels dx, dy, dz. NaN in any component means "outside the domain of the transform".
/// Trilinear between voxels; beyond the grid's extent the displacement is zero, as in ITK.
class DisplacementField {
 public:
  DisplacementField() = default;
  /// Zero-filled.
  explicit DisplacementField(const Grid& grid) : volume_(grid, ScalarType::f32, 3) {}
  /// Takes a 3-channel f32 volume.
  explicit DisplacementField(Volume&& displacement_mm);
  const Grid& grid() const { return volume_.grid(); }
  float* component_mm(int axis) { return volume_.channel<float>(axis); }
  const float* component_mm(int axis) const { return volume_.channel<float>(axis); }
  Volume& volume() { return volume_; }
  const Volume& volume() const { return volume_; }
  /// Displacement at a world point; nullopt where the field says "outside".
  std::optional<Vec3> at_world(const Vec3& point_mm) const;

 private:
  Volume volume_;
};

/// A cubic B-spline free-form deformation as ITK stores it: coefficients (mm) on a control grid.
/// The displacement is zero where the 4x4x4 support leaves the control grid (ITK's rule).
class BSplineField {
 public:
  BSplineField() = default;
  explicit BSplineField(Volume&& coefficients_mm);  ///< three planar channels, f32 or f64
  const Grid& control_grid() const { return coefficients_.grid(); }
  const Volume& coefficients_mm() const { return coefficients_; }
  Vec3 at_world(const Vec3& point_mm) const;

 private:
  Volume coefficients_;
};

using TransformStage = std::variant<Affine, DisplacementField, BSplineField>;

/// Maps points of the space an image is resampled INTO (fixed) to points of the space it is
/// resampled FROM (moving), in world LPS millimetres. Stages are applied to a point first to last;
/// this is the order of `antsApplyTransforms -t`. Move-only in practice: fields are large.
class Transform {
 public:
  std::vector<TransformStage> stages;
  /// Where each stage came from ("out/1Warp.nii.gz"), for messages and provenance; may be shorter.
  std::vector<std::string> sources;

  /// nullopt where a stage is undefined.
  std::optional<Vec3> operator()(const Vec3& fixed_point_mm) const;
  bool is_affine() const;
  /// The product of all stages; throws Error{usage} unless is_affine().
  Affine as_affine() const;
};

/// Takes points, world LPS mm, where a transform leads them; NaN where that is nowhere.
using PointMap = std::function<void(std::span<Vec3> points_mm)>;
/// Of a transform that outlives it.
PointMap point_map(const Transform& transform);

}  // namespace gigawarp

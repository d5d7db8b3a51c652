#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gigawarp/transform.h"
#include "gigawarp/volume.h"

namespace gigawarp::qc {

/// Distribution of a distance, mm.
struct Distances {
  std::int64_t points = 0;
  std::int64_t undefined = 0;  ///< points that could not be mapped
  double mean_mm = 0, p95_mm = 0, max_mm = 0;
};
Distances distribution(std::vector<float> distances_mm, std::int64_t undefined = 0);

struct NamedPoint {
  std::string name;
  Vec3 position_mm;  ///< world LPS
  bool held_out = false;
};

struct LandmarkError {
  std::string name;
  double before_mm = 0;   ///< without any transform
  double after_mm = 0;    ///< NaN where the transform is undefined
  bool held_out = false;  ///< on either side
};

struct LandmarkErrors {
  std::vector<LandmarkError> landmarks;
  std::vector<std::string> unmatched;  ///< names only one side has
  Distances before, after;
  Distances used, held_out;  ///< `after`, apart: what a fit may have used, and what tells its error
};

/// Target registration error: fixed landmarks through the transform against the moving ones of the
/// same name. Without any common name, equal counts are matched by order. Throws Error{bad_input}
/// when nothing matches or a name occurs twice on a side.
LandmarkErrors landmark_errors(const std::vector<NamedPoint>& fixed,
                               const std::vector<NamedPoint>& moving, const Transform& transform);
LandmarkErrors landmark_errors(const std::vector<NamedPoint>& fixed,
                               const std::vector<NamedPoint>& moving, const PointMap& map);

/// Distance between what two transforms make of each fixed voxel (identity recovery, run to run),
/// at about a million evenly spaced voxels at most; only where `mask` (on `grid`, may be null) is
/// not zero.
Distances transform_difference(const Transform& a, const Transform& b, const Grid& grid,
                               const Volume* mask = nullptr);
Distances transform_difference(const PointMap& a, const PointMap& b, const Grid& grid,
                               const Volume* mask = nullptr);

/// |inverse(forward(x)) - x| over the same voxels, two voxels inside the faces of the fixed grid,
/// where forward(x) lies on the moving grid.
Distances inverse_consistency(const Transform& forward, const Transform& inverse, const Grid& fixed,
                              const Grid& moving, const Volume* mask = nullptr);
Distances inverse_consistency(const PointMap& forward, const PointMap& inverse, const Grid& fixed,
                              const Grid& moving, const Volume* mask = nullptr);

/// |inverse(forward(x)) - x| as a map, f32 mm, on the fixed grid or, when that has more than
/// `most_voxels`, on every second, third … voxel of it. NaN where forward(x) leaves the moving grid
/// or a transform is undefined.
Volume inverse_error_map(const Transform& forward, const Transform& inverse, const Grid& fixed,
                         const Grid& moving, std::int64_t most_voxels = 4'000'000);

/// The distance of transform_difference as such a map.
Volume transform_difference_map(const Transform& a, const Transform& b, const Grid& grid,
                                std::int64_t most_voxels = 4'000'000);

/// The fixed point that a transform takes to a moving one: fixed-point iteration with the affine
/// stages' inverse. Nothing where it does not come within `tolerance_mm`.
std::optional<Vec3> fixed_point_of(const Transform& transform, const Vec3& moving_mm,
                                   double tolerance_mm = 1e-3);

/// transform(x) - x, in mm, on a grid; NaN where the transform is undefined.
DisplacementField displacement_of(const Transform& transform, const Grid& grid);

}  // namespace gigawarp::qc

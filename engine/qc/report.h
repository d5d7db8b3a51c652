#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "gigawarp/progress.h"
#include "gigawarp/transform.h"
#include "gigawarp/volume_feed.h"
#include "ops/jacobian.h"
#include "qc/overlap.h"
#include "qc/points.h"
#include "qc/similarity.h"

namespace gigawarp::qc {

/// Borrowed inputs of an assessment. Null or empty: not measured.
struct QcInput {
  const Volume* fixed = nullptr;
  ImageInput moving;                     ///< in memory, or read as it is needed
  const Transform* transform = nullptr;  ///< fixed to moving
  const Transform* inverse = nullptr;    ///< moving to fixed
  const Volume* mask = nullptr;          ///< on the fixed grid: similarity, det J and point errors
  const Volume* fixed_labels = nullptr;
  ImageInput moving_labels;
  std::vector<NamedPoint> fixed_landmarks, moving_landmarks;
  const Transform* reference = nullptr;  ///< a transform to compare with (known warp, another run)
  bool with_hd95 = true;
  int local_ncc_radius = 2;  ///< 0: no map

  /// What is given where a transform is too large for memory: `transform` is exact at the voxels of
  /// `fixed` alone then, and these are at every point. In place of `inverse` and `reference`.
  PointMap map, inverse_map, reference_map;
  /// Its only deformation, of which planes are read, and the affine map that goes before it.
  std::shared_ptr<const VolumeFeed> deformation;
  Affine before_deformation;
  /// All of `mask` where that is thinned: det J is of all voxels.
  std::shared_ptr<const VolumeFeed> whole_mask;
};

/// Every measure of engine design §7 that the inputs allow.
struct QcReport {
  std::string fixed, moving, transform;  ///< names, for the header
  /// Along each axis of the fixed image: more than 1 where it was too large to measure every voxel.
  std::int64_t measured_every = 1;
  std::optional<Similarity> before;  ///< moving under the identity
  std::optional<Similarity> after;
  std::optional<double> local_ncc_mean;  ///< inside overlap and mask, flat windows left out
  std::optional<ops::JacobianSummary> jacobian;
  std::string jacobian_of;  ///< which field, in words
  std::optional<OverlapSummary> overlap, inverse_overlap;
  std::map<std::int64_t, std::string> label_names;  ///< of those that have one; the caller's
  std::optional<LandmarkErrors> landmarks;
  std::optional<Distances> inverse_error, difference;
  std::optional<Distances> known_map;  ///< against a phantom's map; the caller measures it
};

/// A report with the volumes that pictures need.
struct Assessment {
  QcReport report;
  Volume warped;                   ///< moving through the transform, on the fixed grid
  Volume inside;                   ///< u8: where `warped` comes from inside the moving image
  Volume local_ncc;                ///< f32, empty unless asked for
  DisplacementField displacement;  ///< of the deformable part, for det J and the grid
};

/// Tells `progress` (may be null) which measure comes next and the fraction done, estimated from
/// the voxels each one passes over. Throws Error{bad_input | cancelled}.
Assessment assess(const QcInput& input, const std::stop_token& stop = {},
                  ProgressSink* progress = nullptr);

std::string to_json(const QcReport& report);
/// Aligned text; the per-label table only with `details`.
std::string to_table(const QcReport& report, bool details);

}  // namespace gigawarp::qc

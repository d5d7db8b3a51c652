#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gigawarp/transform.h"
#include "gigawarp/volume.h"

namespace gigawarp::job {

/// How good a registration is; engine/design §7. What was not asked for or does not apply is
/// absent.
struct Measures {
  std::optional<double> global_ncc;  ///< fixed against warped moving, inside their overlap
  /// Set where images too large for memory were compared on every so-many-th plane alone, or the
  /// inverse measured on such planes.
  std::optional<std::int64_t> ncc_plane_step, inverse_plane_step;
  std::optional<double> folds_percent, minimum_jacobian, sd_log_jacobian;
  std::optional<double> inverse_mean_mm, inverse_p95_mm, inverse_maximum_mm;
  std::optional<double> landmarks_before_mm;  ///< mean distance without registration
  std::optional<double> landmarks_mean_mm, landmarks_p95_mm, landmarks_maximum_mm;
  std::size_t landmarks = 0;
  std::size_t landmarks_held_out = 0;  ///< of these; the mean distances apart when there are any
  std::optional<double> landmarks_used_mean_mm, landmarks_held_out_mean_mm;
  std::optional<double> dice_mean, dice_p30;
  std::map<std::int64_t, double> dice;  ///< by label
  /// Of these, where a file beside a label volume names them; the fixed image's count.
  std::map<std::int64_t, std::string> label_names;
};

}  // namespace gigawarp::job

#include <cmath>
#include <cstring>

#include "io/image_io.h"
#include "job/results.h"
#include "ops/apply.h"
#include "ops/invert_field.h"
#include "ops/jacobian.h"
#include "qc/overlap.h"
#include "qc/points.h"
#include "qc/similarity.h"

namespace gigawarp::job {

namespace {

float distance_mm(const Vec3& a, const Vec3& b) {
  return static_cast<float>(std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]));
}

/// A label map in canonical order, as the images of the run are.
Volume load_labels(const std::string& path, const io::ReadOptions& image_options) {
  Volume labels = io::read_image(path, io::companion_options(image_options, path));
  const AxisOrder order = canonical_order(labels.grid());
  if (!order.is_identity()) labels = reordered(labels, order);
  labels.set_grid(rounded(labels.grid()));
  return labels;
}

/// 1 where the transform leads into the moving volume.
Volume inside_of(const Grid& moving, const Transform& transform, const Grid& fixed,
                 const std::stop_token& stop) {
  Volume ones(moving, ScalarType::u8);
  std::memset(ones.data(), 1, ones.bytes());
  return apply_transform(ones, transform, fixed, Interpolation::nearest, 0, stop);
}

}  // namespace

void Results::measure_landmarks() {
  if (inputs_.landmarks.empty()) return;
  std::vector<float> before, after, used, held_out;
  std::int64_t undefined = 0;
  for (const LandmarkPair& pair : inputs_.landmarks) {
    before.push_back(distance_mm(pair.fixed_mm, pair.moving_mm));
    if (const std::optional<Vec3> mapped = transform_(pair.fixed_mm)) {
      after.push_back(distance_mm(*mapped, pair.moving_mm));
      (pair.held_out ? held_out : used).push_back(after.back());
    } else {
      ++undefined;
    }
  }
  measures_.landmarks = inputs_.landmarks.size();
  measures_.landmarks_held_out = held_out.size();
  if (!held_out.empty()) {
    measures_.landmarks_held_out_mean_mm = qc::distribution(std::move(held_out)).mean_mm;
    if (!used.empty()) measures_.landmarks_used_mean_mm = qc::distribution(std::move(used)).mean_mm;
  }
  measures_.landmarks_before_mm = qc::distribution(std::move(before)).mean_mm;
  const qc::Distances distances = qc::distribution(std::move(after), undefined);
  measures_.landmarks_mean_mm = distances.mean_mm;
  measures_.landmarks_p95_mm = distances.p95_mm;
  measures_.landmarks_maximum_mm = distances.max_mm;
}

void Results::warp_labels(const std::stop_token& stop) {
  if (job_.moving_labels.empty()) return;
  const Volume moving = load_labels(job_.moving_labels, moving_options(job_));
  warped_labels_ = apply_transform(moving, transform_, canonical_, Interpolation::label, 0, stop);
  if (job_.fixed_labels.empty()) return;
  Volume fixed = load_labels(job_.fixed_labels, fixed_options(job_));
  fixed.set_grid(canonical_);
  const std::vector<std::int64_t> labels = qc::common_labels(fixed, moving);
  const qc::OverlapSummary overlap = qc::label_overlap(fixed, warped_labels_, labels, false);
  for (const qc::LabelOverlap& label : overlap.labels) measures_.dice[label.label] = label.dice;
  if (labels.empty()) return;
  measures_.dice_mean = overlap.dice_mean;
  measures_.dice_p30 = overlap.dice_p30;
}

void Results::warp_image(const std::stop_token& stop) {
  warped_ =
      apply_transform(inputs_.moving[0], transform_, canonical_, Interpolation::linear, 0, stop);
  const Volume inside = inside_of(inputs_.moving[0].grid(), transform_, canonical_, stop);
  const qc::Similarity similarity = qc::similarity(inputs_.fixed[0], warped_, &inside);
  if (similarity.voxels > 0) measures_.global_ncc = similarity.ncc;
  if (!job_.write_warped) warped_ = {};
}

void Results::measure_field() {
  const auto* forward = std::get_if<DisplacementField>(&transform_.stages.front());
  if (forward == nullptr) return;
  const ops::JacobianSummary jacobian = ops::summarise_jacobian(*forward);
  measures_.folds_percent = jacobian.folds_percent;
  measures_.minimum_jacobian = jacobian.minimum;
  measures_.sd_log_jacobian = jacobian.sd_log;
  if (!inverse_) return;
  const InverseError error = inverse_error(*forward, *inverse_);
  measures_.inverse_mean_mm = error.mean_mm;
  measures_.inverse_p95_mm = error.p95_mm;
  measures_.inverse_maximum_mm = error.max_mm;
}

}  // namespace gigawarp::job

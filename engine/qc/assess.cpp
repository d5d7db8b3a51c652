#include <algorithm>
#include <cmath>
#include <utility>

#include "gigawarp/error.h"
#include "ops/apply.h"
#include "qc/report.h"

namespace gigawarp::qc {
namespace {

void look_at(const std::stop_token& stop) {
  if (stop.stop_requested())
    throw Error(ErrorCode::cancelled, "The quality check was cancelled; nothing was written.",
                "qc");
}

/// Announces each measure, and stops before one when asked to. Weights are seconds per ten million
/// fixed voxels on two cores: they only have to be about right.
class Steps {
 public:
  Steps(const QcInput& in, const std::stop_token& stop, ProgressSink* progress)
      : stop_(stop), progress_(progress) {
    const bool labels = in.fixed_labels != nullptr && in.moving_labels;
    total_ = kWarp + kSimilarity + (in.local_ncc_radius > 0 ? kLocalCorrelation : 0) + kJacobian +
             (labels ? kLabels : 0) + (in.inverse != nullptr ? kPoints : 0) +
             (in.reference != nullptr ? kPoints : 0);
  }
  void begin(const char* what, double weight) {
    look_at(stop_);
    if (progress_ != nullptr) {
      ProgressEvent event;
      event.kind = EventKind::message;
      event.stage = event.text = what;
      event.fraction = done_ / total_;
      progress_->on_event(event);
    }
    done_ += weight;
  }

  static constexpr double kWarp = 1.0, kSimilarity = 1.0, kLocalCorrelation = 1.2, kJacobian = 0.5,
                          kLabels = 4.0, kPoints = 0.5;

 private:
  std::stop_token stop_;
  ProgressSink* progress_;
  double total_ = 1, done_ = 0;
};

/// All of apply_transform(), reading of the moving volume what it needs.
Volume warped_by(const VolumeFeed& moving, const Transform& transform, const Grid& fixed,
                 Interpolation interpolation, const std::stop_token& stop) {
  Volume out(fixed, moving.type());
  constexpr std::int64_t kPlanes = 32;
  const Size3& n = fixed.size;
  const std::size_t plane = static_cast<std::size_t>(n[0] * n[1]) * size_of(moving.type());
  for (std::int64_t z = 0; z < n[2]; z += kPlanes) {
    const Box box{{0, 0, z}, {n[0], n[1], std::min(kPlanes, n[2] - z)}};
    const Volume part =
        apply_transform_to_box(moving, nullptr, transform, fixed, box, interpolation, 0, stop);
    std::copy_n(part.data(), plane * static_cast<std::size_t>(box.size[2]),  // of channel 0
                out.data() + static_cast<std::size_t>(z) * plane);
  }
  return out;
}

Volume overlap_mask(const Grid& moving, const Transform& transform, const Grid& fixed,
                    const std::stop_token& stop) {
  return warped_by(*ones_on(moving), transform, fixed, Interpolation::nearest, stop);
}

Similarity before_registration(const QcInput& in, const std::stop_token& stop) {
  const Transform identity;
  const Volume same =
      warped_by(*in.moving, identity, in.fixed->grid(), Interpolation::linear, stop);
  const Volume inside = overlap_mask(in.moving->grid(), identity, in.fixed->grid(), stop);
  return similarity(*in.fixed, same, &inside, in.mask);
}

double mean_of(const Volume& map) {
  double sum = 0;
  std::int64_t n = 0;
  for (std::int64_t i = 0; i < map.grid().voxel_count(); ++i) {
    const float v = map.channel<float>()[i];
    if (std::isnan(v) || v == 0) continue;  // outside, or a flat window: the empty background
    sum += v;
    ++n;
  }
  return n > 0 ? sum / static_cast<double>(n) : 0;
}

/// The transform's deformation: its one field if there is one and nothing else but affines,
/// otherwise the whole transform sampled on the fixed grid.
DisplacementField deformation(const Transform& transform, const Grid& fixed, std::string& of_what) {
  int fields = 0, splines = 0;
  const DisplacementField* only = nullptr;
  for (const TransformStage& stage : transform.stages) {
    if (const auto* field = std::get_if<DisplacementField>(&stage)) {
      ++fields;
      only = field;
    }
    splines += std::holds_alternative<BSplineField>(stage);
  }
  of_what = "the whole transform, sampled on the fixed grid";
  if (fields != 1 || splines != 0) return displacement_of(transform, fixed);
  of_what = "the displacement field, on its own grid";
  DisplacementField copy(only->grid());
  for (int c = 0; c < 3; ++c)
    std::copy_n(only->component_mm(c), only->grid().voxel_count(), copy.component_mm(c));
  return copy;
}

void assess_labels(const QcInput& in, QcReport& report, const std::stop_token& stop) {
  const std::vector<std::int64_t> labels =
      common_labels(WholeVolume(in.fixed_labels), *in.moving_labels);
  if (labels.empty())
    throw Error(ErrorCode::bad_input,
                "The fixed and the moving label volumes have no label in common besides 0.",
                "labels");
  const Volume warped = warped_by(*in.moving_labels, *in.transform, in.fixed_labels->grid(),
                                  Interpolation::label, stop);
  report.overlap = label_overlap(*in.fixed_labels, warped, labels, in.with_hd95, stop);
  look_at(stop);
  const Volume* moving_labels = in.moving_labels->whole();
  if (!in.inverse || moving_labels == nullptr) return;  // labels that are not read whole are many
  const Volume carried = apply_transform(*in.fixed_labels, *in.inverse, moving_labels->grid(),
                                         Interpolation::label, 0, stop);
  report.inverse_overlap = label_overlap(*moving_labels, carried, labels, false);
}

}  // namespace

Assessment assess(const QcInput& in, const std::stop_token& stop, ProgressSink* progress) {
  if (!in.fixed || !in.moving || !in.transform)
    throw Error(ErrorCode::usage,
                "A quality check needs a fixed image, a moving image and a transform.", "qc");
  const Grid& grid = in.fixed->grid();
  Steps steps(in, stop, progress);
  Assessment out;
  QcReport& report = out.report;
  steps.begin("warping the moving image", Steps::kWarp);
  out.warped = warped_by(*in.moving, *in.transform, grid, Interpolation::linear, stop);
  out.inside = overlap_mask(in.moving->grid(), *in.transform, grid, stop);
  steps.begin("measuring similarity", Steps::kSimilarity);
  report.before = before_registration(in, stop);
  report.after = similarity(*in.fixed, out.warped, &out.inside, in.mask);
  if (in.local_ncc_radius > 0) {
    steps.begin("mapping local correlation", Steps::kLocalCorrelation);
    out.local_ncc = local_ncc_map(*in.fixed, out.warped, in.local_ncc_radius, &out.inside);
    report.local_ncc_mean = mean_of(out.local_ncc);
  }
  steps.begin("measuring det J", Steps::kJacobian);
  out.displacement = deformation(*in.transform, grid, report.jacobian_of);
  const bool mask_fits = in.mask && in.mask->grid().same_lattice(out.displacement.grid());
  report.jacobian = ops::summarise_jacobian(out.displacement, mask_fits ? in.mask : nullptr);
  if (in.fixed_labels && in.moving_labels) {
    steps.begin("comparing labels", Steps::kLabels);
    assess_labels(in, report, stop);
  }
  if (!in.fixed_landmarks.empty())
    report.landmarks = landmark_errors(in.fixed_landmarks, in.moving_landmarks, *in.transform);
  if (in.inverse) {
    steps.begin("measuring the inverse error", Steps::kPoints);
    report.inverse_error =
        inverse_consistency(*in.transform, *in.inverse, grid, in.moving->grid(), in.mask);
  }
  if (in.reference) {
    steps.begin("comparing with the reference transform", Steps::kPoints);
    report.difference = transform_difference(*in.transform, *in.reference, grid, in.mask);
  }
  look_at(stop);
  return out;
}

}  // namespace gigawarp::qc

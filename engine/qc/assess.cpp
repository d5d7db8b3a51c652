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
             (labels ? kLabels : 0) + (in.inverse != nullptr || in.inverse_map ? kPoints : 0) +
             (in.reference != nullptr || in.reference_map ? kPoints : 0);
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

constexpr std::int64_t kReadBytes = std::int64_t{128} << 20;

/// What a box of the fixed grid takes of the moving volume, bytes, by the affine part alone.
double reach_bytes(const Affine& moving_from_fixed, const Size3& box, const VolumeFeed& moving) {
  double voxels = 1;
  for (std::size_t r = 0; r < 3; ++r) {
    double extent = 2;
    for (std::size_t c = 0; c < 3; ++c)
      extent += std::abs(moving_from_fixed.linear[r][c]) * static_cast<double>(box[c]);
    voxels *= std::min(extent, static_cast<double>(moving.grid().size[r]));
  }
  return voxels * static_cast<double>(size_of(moving.type()));
}

/// A box of the fixed grid that needs little of the moving volume at once: whole planes if it can
/// be, which apply_transform_to_box() takes in tiles of 256 voxels.
Size3 piece_for(const VolumeFeed& moving, const Transform& transform, const Grid& fixed) {
  Affine linear;
  for (const TransformStage& stage : transform.stages)
    if (const auto* affine = std::get_if<Affine>(&stage)) linear = *affine * linear;
  const Affine moving_from_fixed =
      moving.grid().voxel_from_world() * linear * fixed.world_from_voxel;
  Size3 piece{fixed.size[0], fixed.size[1], std::min<std::int64_t>(32, fixed.size[2])};
  if (moving.whole() != nullptr) return piece;
  constexpr std::int64_t kTile = 256, kLeast = 8;
  const auto too_much = [&] {
    const Size3 tile{std::min(kTile, piece[0]), std::min(kTile, piece[1]), piece[2]};
    return reach_bytes(moving_from_fixed, tile, moving) > static_cast<double>(kReadBytes);
  };
  while (too_much() && piece[2] > kLeast) piece[2] = (piece[2] + 1) / 2;
  while (too_much() && std::max(piece[0], piece[1]) > kLeast)
    for (std::size_t a = 0; a < 2; ++a) piece[a] = (std::min(piece[a], 2 * kTile) + 1) / 2;
  return piece;
}

/// All of apply_transform(), reading of the moving volume what it needs.
Volume warped_by(const VolumeFeed& moving, const Transform& transform, const Grid& fixed,
                 Interpolation interpolation, const std::stop_token& stop) {
  Volume out(fixed, moving.type());
  const Size3 &n = fixed.size, piece = piece_for(moving, transform, fixed);
  const std::size_t width = size_of(moving.type());
  for (std::int64_t z = 0; z < n[2]; z += piece[2])
    for (std::int64_t y = 0; y < n[1]; y += piece[1])
      for (std::int64_t x = 0; x < n[0]; x += piece[0]) {
        const Box box{{x, y, z},
                      {std::min(piece[0], n[0] - x), std::min(piece[1], n[1] - y),
                       std::min(piece[2], n[2] - z)}};
        const Volume part =
            apply_transform_to_box(moving, nullptr, transform, fixed, box, interpolation, 0, stop);
        const std::size_t row = static_cast<std::size_t>(box.size[0]) * width;
        for (std::int64_t r = 0; r < box.size[1] * box.size[2]; ++r)  // of channel 0
          std::copy_n(
              part.data() + static_cast<std::size_t>(r) * row, row,
              out.data() + static_cast<std::size_t>(
                               ((z + r / box.size[1]) * n[1] + y + r % box.size[1]) * n[0] + x) *
                               width);
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

/// Over the non-zero voxels of `mask` (may be null), on the map's grid.
double mean_of(const Volume& map, const Volume* mask) {
  const Size3& size = map.grid().size;
  double sum = 0;
  std::int64_t n = 0;
  for (std::int64_t i = 0; i < map.grid().voxel_count(); ++i) {
    const float v = map.channel<float>()[i];
    if (std::isnan(v) || v == 0) continue;  // outside, or a flat window: the empty background
    const std::int64_t row = i / size[0];
    if (mask != nullptr && mask->value(i % size[0], row % size[1], row / size[1]) == 0) continue;
    sum += v;
    ++n;
  }
  return n > 0 ? sum / static_cast<double>(n) : 0;
}

/// The deformation of a transform, as pictures show it, and what lies before it.
struct Deformation {
  DisplacementField displacement;
  Affine before;
  const char* of_what;
};

/// Its one field if there is one and nothing else but affines, otherwise the whole transform
/// sampled on the fixed grid.
Deformation deformation(const QcInput& in) {
  int fields = 0, splines = 0;
  const DisplacementField* only = nullptr;
  Deformation out{{}, {}, "the displacement field, on its own grid"};
  for (const TransformStage& stage : in.transform->stages) {
    if (const auto* field = std::get_if<DisplacementField>(&stage)) {
      ++fields;
      only = field;
    }
    if (const auto* affine = std::get_if<Affine>(&stage); affine != nullptr && fields == 0)
      out.before = *affine * out.before;
    splines += std::holds_alternative<BSplineField>(stage);
  }
  const bool sampled = in.map && in.deformation == nullptr;  // of several that are in files
  if (fields != 1 || splines != 0 || sampled) {
    out.of_what = "the whole transform, sampled on the fixed grid";
    out.before = {};
    if (!sampled) {
      out.displacement = displacement_of(*in.transform, in.fixed->grid());
      return out;
    }
  }
  if (in.deformation != nullptr) out.before = in.before_deformation;
  out.displacement = DisplacementField(only->grid());
  for (int c = 0; c < 3; ++c)
    std::copy_n(only->component_mm(c), only->grid().voxel_count(),
                out.displacement.component_mm(c));
  return out;
}

/// A mask of the fixed image on the grid of a deformation that lies behind an affine map.
class MaskOfField final : public VolumeFeed {
 public:
  MaskOfField(const VolumeFeed& mask, const Affine& before, const Grid& field)
      : mask_(mask), grid_(field) {
    fixed_from_field_.stages.emplace_back(before.inverse());
  }
  const Grid& grid() const override { return grid_; }
  ScalarType type() const override { return mask_.type(); }
  void read(const Box& box, std::byte* out) const override {
    const Volume part = apply_transform_to_box(mask_, nullptr, fixed_from_field_, grid_, box,
                                               Interpolation::nearest);
    std::copy_n(part.data(), part.bytes(), out);
  }

 private:
  const VolumeFeed& mask_;
  Grid grid_;
  Transform fixed_from_field_;
};

ops::JacobianSummary jacobian_of(const QcInput& in, const Deformation& deformation) {
  const WholeVolume held(&deformation.displacement.volume());
  const VolumeFeed& field = in.deformation != nullptr ? *in.deformation : held;
  const WholeVolume held_mask(in.mask);
  const VolumeFeed* mask = in.whole_mask != nullptr ? in.whole_mask.get()
                           : in.mask != nullptr     ? &held_mask
                                                    : nullptr;
  if (mask == nullptr) return ops::summarise_jacobian(field);
  if (deformation.before == Affine{} && mask->grid().same_lattice(field.grid()))
    return ops::summarise_jacobian(field, mask);
  const MaskOfField there(*mask, deformation.before, field.grid());
  return ops::summarise_jacobian(field, &there);
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
    report.local_ncc_mean = mean_of(out.local_ncc, in.mask);
  }
  steps.begin("measuring det J", Steps::kJacobian);
  Deformation deformed = deformation(in);
  report.jacobian = jacobian_of(in, deformed);
  report.jacobian_of = deformed.of_what;
  out.displacement = std::move(deformed.displacement);
  if (in.fixed_labels && in.moving_labels) {
    steps.begin("comparing labels", Steps::kLabels);
    assess_labels(in, report, stop);
  }
  if (!in.fixed_landmarks.empty())
    report.landmarks = landmark_errors(in.fixed_landmarks, in.moving_landmarks,
                                       in.map ? in.map : point_map(*in.transform));
  // At voxels of the fixed image, where the transform is exact in any case.
  if (in.inverse != nullptr || in.inverse_map) {
    steps.begin("measuring the inverse error", Steps::kPoints);
    report.inverse_error = inverse_consistency(
        point_map(*in.transform), in.inverse_map ? in.inverse_map : point_map(*in.inverse), grid,
        in.moving->grid(), in.mask);
  }
  if (in.reference != nullptr || in.reference_map) {
    steps.begin("comparing with the reference transform", Steps::kPoints);
    report.difference = transform_difference(
        point_map(*in.transform), in.reference_map ? in.reference_map : point_map(*in.reference),
        grid, in.mask);
  }
  look_at(stop);
  return out;
}

}  // namespace gigawarp::qc

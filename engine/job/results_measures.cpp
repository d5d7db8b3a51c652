#include <algorithm>
#include <cmath>
#include <cstring>

#include "io/label_names.h"
#include "job/results.h"
#include "job/source_feed.h"
#include "ops/apply.h"
#include "ops/invert_field.h"
#include "ops/jacobian.h"
#include "qc/overlap.h"
#include "qc/points.h"
#include "qc/similarity.h"

namespace gigawarp::job {

namespace {

/// Voxels beyond which images that are not in memory are compared on some of their planes.
constexpr std::int64_t kComparedVoxels = std::int64_t{48} << 20;
/// The same for the inverse. What its planes cost is not measuring them: each needs all that its
/// displacements reach, which for 256 Mvoxel took 30 s of a gigavoxel run and said nothing more.
constexpr std::int64_t kInvertedVoxels = std::int64_t{64} << 20;

float distance_mm(const Vec3& a, const Vec3& b) {
  return static_cast<float>(std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]));
}

std::int64_t step_for(const Grid& grid, std::int64_t most_voxels) {
  return std::max<std::int64_t>(1, (grid.voxel_count() + most_voxels - 1) / most_voxels);
}

/// Every so-many-th plane of fixed, warped and overlap, as they come by, one behind the other.
class PlaneSample {
 public:
  PlaneSample(const VolumeFeed& fixed, ScalarType warped_type,
              std::shared_ptr<const VolumeFeed> inside, int axis, std::int64_t step)
      : fixed_(fixed),
        inside_(std::move(inside)),
        axis_(static_cast<std::size_t>(axis)),
        step_(step) {
    const Grid& grid = fixed.grid();
    const std::int64_t planes = (grid.size[axis_] + step - 1) / step;
    const Grid sample{{grid.voxel_count() / grid.size[axis_], 1, planes}, {}};
    fixed_planes_ = Volume(sample, fixed.type());
    warped_planes_ = Volume(sample, warped_type);
    inside_planes_ = Volume(sample, ScalarType::u8);
  }

  void look(const Box& box, const Volume& warped) {
    // Bricks that several planes are in are read once.
    const bool together = step_ * 4 <= box.size[axis_];
    if (together) {
      if (near_.grid().size != box.size) near_ = Volume(Grid{box.size, {}}, fixed_.type());
      fixed_.read(box, near_.data());
    }
    for (std::int64_t i = 0; i < box.size[axis_]; ++i) {
      const std::int64_t at = box.begin[axis_] + i;
      if (at % step_ != 0) continue;
      Box plane = box;
      plane.begin[axis_] = at;
      plane.size[axis_] = 1;
      Box here{{0, 0, 0}, plane.size};
      here.begin[axis_] = i;
      if (together)
        put(WholeVolume(&near_), here, at / step_, fixed_planes_);
      else
        put(fixed_, plane, at / step_, fixed_planes_);
      put(WholeVolume(&warped), here, at / step_, warped_planes_);
      put(*inside_, plane, at / step_, inside_planes_);
    }
  }

  qc::Similarity similarity() const {
    return qc::similarity(fixed_planes_, warped_planes_, &inside_planes_);
  }

 private:
  static void put(const VolumeFeed& feed, const Box& box, std::int64_t plane, Volume& to) {
    const std::size_t bytes = static_cast<std::size_t>(box.voxel_count()) * size_of(feed.type());
    feed.read(box, to.data() + static_cast<std::size_t>(plane) * bytes);
  }

  const VolumeFeed& fixed_;
  std::shared_ptr<const VolumeFeed> inside_;
  std::size_t axis_;
  std::int64_t step_;
  Volume fixed_planes_, warped_planes_, inside_planes_, near_;
};

}  // namespace

void Results::measure_landmarks() {
  if (inputs_.landmarks.empty()) return;
  std::vector<float> before, after, used, held_out;
  std::int64_t undefined = 0;
  for (const LandmarkPair& pair : inputs_.landmarks) {
    before.push_back(distance_mm(pair.fixed_mm, pair.moving_mm));
    std::optional<Vec3> mapped = pair.fixed_mm;
    if (first_ != nullptr) {
      const std::optional<Vec3> moved = displacement_at(*first_, pair.fixed_mm);
      for (std::size_t a = 0; a < 3 && moved; ++a) (*mapped)[a] += (*moved)[a];
      if (!moved) mapped.reset();
    }
    if (mapped) mapped = transform_(*mapped);
    if (mapped) {
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

void Results::carry_labels() {
  std::shared_ptr<const VolumeFeed> fixed;
  if (!job_.fixed_labels.empty())
    fixed = open_labels(job_.fixed_labels, fixed_options(job_), inputs_.read_time, stop_);
  if (!job_.moving_labels.empty()) warp_labels(fixed.get());
  if (carries_labels_back(job_)) carry_labels_back(std::move(fixed));
}

/// Measures their overlap with fixed ones, if there are any.
void Results::warp_labels(const VolumeFeed* fixed) {
  const auto moving =
      open_labels(job_.moving_labels, moving_options(job_), inputs_.read_time, stop_);
  const auto carried = warped(moving, Interpolation::label);
  if (fixed == nullptr) {
    write_image(*carried, on_fixed_, "warped_labels", true, {});
    return;
  }
  const std::vector<std::int64_t> labels = qc::common_labels(*fixed, *moving);
  qc::OverlapCounter counter(labels);
  write_image(*carried, on_fixed_, "warped_labels", true,
              [&](const Box& box, const Volume& voxels) {
                Volume part(Grid{box.size, {}}, fixed->type());
                fixed->read(box, part.data());
                counter.add(part, voxels);
              });
  const qc::OverlapSummary overlap = counter.summary();
  for (const qc::LabelOverlap& label : overlap.labels) measures_.dice[label.label] = label.dice;
  for (const std::string& volume : {job_.fixed_labels, job_.moving_labels})
    for (const auto& [label, entry] : io::read_label_names_beside(volume).names)
      if (measures_.dice.contains(label)) measures_.label_names.try_emplace(label, entry.name);
  if (labels.empty()) return;
  measures_.dice_mean = overlap.dice_mean;
  measures_.dice_p30 = overlap.dice_p30;
}

namespace {
/// Ones where the moving image is: in memory where it is, since box by box takes longer.
std::shared_ptr<const VolumeFeed> ones_beside(const VolumeFeed& moving) {
  if (moving.whole() == nullptr) return ones_on(moving.grid());
  Volume ones(moving.grid(), ScalarType::u8);
  std::memset(ones.data(), 1, ones.bytes());
  return std::make_shared<WholeVolume>(std::move(ones));
}
}  // namespace

void Results::warp_image() {
  const std::int64_t step =
      inputs_.fixed[0]->whole() != nullptr ? 1 : step_for(on_fixed_.canonical, kComparedVoxels);
  const qc::Similarity similarity = step == 1 ? compare_whole() : compare_planes(step);
  if (similarity.voxels > 0) measures_.global_ncc = similarity.ncc;
}

/// What is only compared is gone before the image is written.
qc::Similarity Results::compare_whole() {
  const Volume image = read_all(*warped(inputs_.moving[0], Interpolation::linear));
  const auto similarity = [&] {
    const Volume overlap =
        read_all(*warped(ones_beside(*inputs_.moving[0]), Interpolation::nearest));
    const VolumeFeed& fixed = *inputs_.fixed[0];
    const Volume read = fixed.whole() != nullptr ? Volume() : read_all(fixed);
    return qc::similarity(fixed.whole() != nullptr ? *fixed.whole() : read, image, &overlap);
  }();
  inputs_.fixed.clear();
  inputs_.moving.clear();
  if (job_.write_warped) write_image(WholeVolume(&image), on_fixed_, "warped", false, {});
  return similarity;
}

/// Planes as the file has them: then each comes by whole.
qc::Similarity Results::compare_planes(std::int64_t step) {
  measures_.ncc_plane_step = step;
  const auto carried = warped(inputs_.moving[0], Interpolation::linear);
  const int axis = job_.write_warped ? on_fixed_.file_from_canonical.axis[2] : 2;
  PlaneSample sample(*inputs_.fixed[0], carried->type(),
                     warped(ones_beside(*inputs_.moving[0]), Interpolation::nearest), axis, step);
  const Look look = [&](const Box& box, const Volume& voxels) { sample.look(box, voxels); };
  if (job_.write_warped)
    write_image(*carried, on_fixed_, "warped", false, look);
  else
    visit(*carried, look);
  return sample.similarity();
}

/// A field that is not in memory, and of which the file takes planes in its own order, comes from
/// the device once for both.
bool Results::measures_while_writing() const {
  const AxisOrder& order = on_fixed_.file_from_canonical;
  return forward_ != nullptr && forward_->whole() == nullptr && order.axis[2] == 2 &&
         !order.flipped[2] && forward_->grid().size[2] >= 3;
}

void Results::set_jacobian(const ops::JacobianSummary& jacobian) {
  measures_.folds_percent = jacobian.folds_percent;
  measures_.minimum_jacobian = jacobian.minimum;
  measures_.sd_log_jacobian = jacobian.sd_log;
}

void Results::write_forward() {
  if (forward_ == nullptr) return;
  if (!measures_while_writing()) return write_field(forward_, "1Warp", {});
  ops::JacobianOfSlabs jacobian(forward_->grid());
  write_field(forward_, "1Warp",
              [&](const Box& /*box*/, const Volume& slab) { jacobian.add(slab); });
  set_jacobian(jacobian.summary());
}

void Results::measure_field() {
  if (forward_ == nullptr) return;
  if (!measures_while_writing()) set_jacobian(ops::summarise_jacobian(*forward_));
  if (inverse_ == nullptr) return;
  const std::int64_t step =
      inverse_->whole() != nullptr ? 1 : step_for(inverse_->grid(), kInvertedVoxels);
  if (step > 1) measures_.inverse_plane_step = step;
  if (tell_ && work_ > 0) tell_(std::min(1.0, done_ / work_), "measuring the inverse");
  const InverseError error = inverse_error(*forward_, *inverse_, step);
  if (error.voxels == 0) return;
  measures_.inverse_mean_mm = error.mean_mm;
  measures_.inverse_p95_mm = error.p95_mm;
  measures_.inverse_maximum_mm = error.max_mm;
}

}  // namespace gigawarp::job

#include "gigawarp/job.h"
#include "ui/models/workspace.h"

// What belongs to a pair of images comes and goes with it.
namespace gigawarp::ui {
namespace {

std::string first_of(const std::vector<std::string>& files) {
  return files.empty() ? std::string() : files.front();
}

}  // namespace

bool Workspace::has_pair_of(const JobSpec& job) const {
  const auto has = [this](LayerRole role, const std::vector<std::string>& files,
                          const std::optional<Vec3>& spacing_mm) {
    const Layer& layer = layers_.layer(role);
    return layer.path.toStdString() == first_of(files) && layer.spacing_mm == spacing_mm;
  };
  return has(LayerRole::fixed, job.fixed, job.fixed_spacing_mm) &&
         has(LayerRole::moving, job.moving, job.moving_spacing_mm);
}

/// Labels and mask of this image, and landmarks and alignment of the pair. What no file holds can
/// be undone.
void Workspace::leave_image(LayerRole image) {
  const bool of_moving = image == LayerRole::moving;
  bool closed = false;
  for (const LayerRole role : kAllLayerRoles) {
    const Layer& layer = layers_.layer(role);
    const bool goes = is_landmarks(role) || (is_labels(role) && is_of_moving(role) == of_moving);
    if (!goes || layer.path.isEmpty()) continue;
    closed = true;
    close_layer(role);
  }
  const LandmarkSides marks = landmarks();
  const bool has_marks = !marks[0].empty() || !marks[1].empty();
  const bool aligned = is_aligned();
  if (has_marks || aligned) {
    undo_.beginMacro(tr("Open another image"));
    if (has_marks) change_landmarks({}, tr("Open another image"));
    begin_gesture();
    if (aligned) change_alignment({}, tr("Open another image"));
    undo_.endMacro();
  }
  if (closed || has_marks || aligned)
    Q_EMIT message(tr("Labels, mask, landmarks and alignment of the image before were put away."));
  Q_EMIT pair_left();
}

void Workspace::open_files_of(const JobSpec& job, bool exactly) {
  const bool same_pair = has_pair_of(job);
  if (!same_pair) {
    leave_image(LayerRole::fixed);
    leave_image(LayerRole::moving);
  }
  const auto load = [&](LayerRole role, const std::string& file,
                        const std::optional<Vec3>& spacing_mm = std::nullopt,
                        const ImageSelection& selection = {}) {
    const bool is_file = file != kNonZeroMask && file != kNoMask;
    const QString path = is_file ? QString::fromStdString(file) : QString();
    if (holds(role, path, spacing_mm, selection)) return;
    if (!path.isEmpty())
      open_as(role, path, spacing_mm, selection);
    else if (!same_pair || (exactly && is_labels(role)))
      close_layer(role);
  };
  const ImageSelection fixed_level = level_of(job.fixed_selection),
                       moving_level = level_of(job.moving_selection);
  load(LayerRole::fixed, first_of(job.fixed), job.fixed_spacing_mm, job.fixed_selection);
  load(LayerRole::moving, first_of(job.moving), job.moving_spacing_mm, job.moving_selection);
  load(LayerRole::fixed_labels, job.fixed_labels, job.fixed_spacing_mm, fixed_level);
  load(LayerRole::moving_labels, job.moving_labels, job.moving_spacing_mm, moving_level);
  load(LayerRole::fixed_mask, job.fixed_mask, job.fixed_spacing_mm, fixed_level);
  load(LayerRole::moving_mask, job.moving_mask, job.moving_spacing_mm, moving_level);
  // Landmarks of the same pair may be newer than the job's.
  for (const auto& [role, file] : {std::pair{LayerRole::fixed_landmarks, job.fixed_landmarks},
                                   std::pair{LayerRole::moving_landmarks, job.moving_landmarks}})
    if (!same_pair || !layers_.is_ready(role)) load(role, file);
}

}  // namespace gigawarp::ui

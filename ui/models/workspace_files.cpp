#include <QFileInfo>
#include <utility>

#include "io/surface_file.h"
#include "job/batch_folder.h"
#include "ui/models/address.h"
#include "ui/models/workspace.h"

// Files that are opened, read in part and closed.
namespace gigawarp::ui {
namespace {

bool is_result_folder(const QFileInfo& info) {
  return info.isDir() && (QFileInfo::exists(info.filePath() + QStringLiteral("/result.json")) ||
                          QFileInfo::exists(info.filePath() + QStringLiteral("/job.json")));
}

}  // namespace

void Workspace::open(const QStringList& paths) {
  bool fixed_taken = layers_.layer(LayerRole::fixed).state != Layer::State::empty;
  bool moving_taken = layers_.layer(LayerRole::moving).state != Layer::State::empty;
  QStringList names;
  for (QString path : paths) {
    while (is_address(path) && path.endsWith(QLatin1Char('/'))) path.chop(1);
    const QFileInfo info(path);
    if (info.isDir() && job::BatchFolder::is_one(path.toStdString())) {
      Q_EMIT batch_opened(info.absoluteFilePath());
    } else if (is_result_folder(info)) {
      Q_EMIT result_opened(info.absoluteFilePath());
    } else if (path.endsWith(QLatin1String(".gigawarp"))) {
      Q_EMIT session_opened(info.absoluteFilePath());
    } else if (info.fileName() == QLatin1String("result.json")) {
      Q_EMIT result_opened(info.absolutePath());
    } else if (holds_label_names(path)) {
      names << info.absoluteFilePath();
    } else {
      const auto first_free = [&](LayerRole fixed, LayerRole moving) {
        return layers_.layer(fixed).state == Layer::State::empty ? fixed : moving;
      };
      LayerRole role = LayerRole::moving;
      if (looks_like_landmarks(path))
        role = first_free(LayerRole::fixed_landmarks, LayerRole::moving_landmarks);
      else if (looks_like_labels(path) && fixed_taken)
        role = first_free(LayerRole::fixed_labels, LayerRole::moving_labels);
      else if (!fixed_taken)
        role = LayerRole::fixed;
      (role == LayerRole::fixed ? fixed_taken : moving_taken) = true;
      const QString file = is_address(path) ? path : info.absoluteFilePath();
      // An image gives way, with its labels and landmarks, when the other one has been read: what
      // was dropped may be no image at all.
      if (is_image(role) && layers_.is_ready(role) && layers_.layer(role).path != file &&
          io::surface_ending(file.toStdString()).empty()) {
        Q_EMIT message(tr("Reading \"%1\".").arg(file));
        loader_.load(role, file);
      } else {
        open_as(role, file);
      }
    }
  }
  // After the volumes, which may be among the files.
  for (const QString& path : names)
    name_labels({LayerRole::fixed_labels, LayerRole::moving_labels}, path);
}

void Workspace::open_as(LayerRole role, const QString& path, std::optional<Vec3> spacing_mm,
                        ImageSelection selection) {
  if (is_label_map(role) && holds_label_names(path)) return name_labels({role}, path);
  const Layer& image = layers_.layer(is_of_moving(role) ? LayerRole::moving : LayerRole::fixed);
  if (is_labels(role)) {
    if (!spacing_mm) spacing_mm = image.spacing_mm;
    selection = level_of(image.selection);
  }
  const Layer& before = layers_.layer(role);
  // Who has read of surfaces drops one here: no image with its landmarks and results gives way.
  if (before.state == Layer::State::ready && !io::surface_ending(path.toStdString()).empty()) {
    Q_EMIT message(tr("\"%1\" is a surface, which the window does not show; \"gigawarp apply "
                      "--mesh\" moves it.")
                       .arg(path));
    return;
  }
  if (is_image(role) && before.path != path &&
      (before.state == Layer::State::ready || before.state == Layer::State::loading))
    leave_image(role);
  Layer layer;
  layer.state = Layer::State::loading;
  layer.path = path;
  layer.spacing_mm = spacing_mm;  // labels that are opened before it is read have it too
  layer.selection = selection;
  if (before.path == path && before.names.chosen) layer.names = before.names;
  layers_.set_layer(role, std::move(layer));
  loader_.load(role, path, spacing_mm, selection);
}

void Workspace::choose_part(LayerRole role, const ImageSelection& selection) {
  if (!is_image(role) || !layers_.is_ready(role)) return;
  const Layer& image = layers_.layer(role);
  loader_.load(role, image.path, image.spacing_mm, selection);
  for (const LayerRole other : kAllLayerRoles) {
    const Layer& labels = layers_.layer(other);
    if (!is_labels(other) || is_of_moving(other) != is_of_moving(role) || !layers_.is_ready(other))
      continue;
    if (labels.selection.level.value_or(0) == selection.level.value_or(0)) continue;
    loader_.load(other, labels.path, labels.spacing_mm, level_of(selection));
  }
}

void Workspace::close_layer(LayerRole role) {
  loader_.forget(role);
  layers_.set_layer(role, {});
}

bool Workspace::holds(LayerRole role, const QString& path, const std::optional<Vec3>& spacing_mm,
                      const ImageSelection& selection) const {
  const Layer& layer = layers_.layer(role);
  if (path.isEmpty()) return layer.state == Layer::State::empty;
  return layer.path == path && layer.spacing_mm == spacing_mm &&
         is_same_part(layer.selection, selection) &&
         (layer.state == Layer::State::ready || layer.state == Layer::State::loading);
}

/// Of an image that is open: keeps its looks, and says whether the warp stays true. One that cannot
/// be read leaves what is shown.
bool Workspace::take_other_part(LayerRole role, Layer& layer) {
  const Layer& now = layers_.layer(role);
  if (layer.state == Layer::State::failed) {
    Q_EMIT message(layer.problem);
    layer = now;
    return true;
  }
  layer.visible = now.visible;
  layer.opacity = now.opacity;
  layer.map = now.map;
  if (layer.selection.channel.value_or(0) == now.selection.channel.value_or(0))
    layer.window = now.window;
  return layer.selection.timepoint.value_or(0) == now.selection.timepoint.value_or(0);
}

void Workspace::take(LayerRole role, Layer layer) {
  const Layer& before = layers_.layer(role);
  if (is_image(role) && before.state == Layer::State::ready && before.path != layer.path) {
    if (layer.state == Layer::State::failed && !layer.wants_spacing) {
      Q_EMIT message(layer.problem);
      return;
    }
    leave_image(role);
  }
  const bool other_part = before.state == Layer::State::ready && before.path == layer.path &&
                          before.spacing_mm == layer.spacing_mm;
  if (before.path == layer.path && before.names.chosen) layer.names = before.names;
  const bool warp_stays = other_part && take_other_part(role, layer);
  const ViewState view = view_;
  // A warp belongs to the images it was made from. Before the layer is announced: who waited for
  // this image may set its warp then.
  const bool of_a_run = source_ == WarpSource::result || source_ == WarpSource::preview;
  if (is_image(role) && of_a_run && !warp_stays) set_warp(WarpSource::header, nullptr);
  if (is_image(role) && !warp_stays) maps_ = {};
  layers_.set_layer(role, layer);
  if (other_part) set_view(view);  // levels have grids of their own, at the same place
  damage_told_.at(static_cast<std::size_t>(role)) = 0;
  if (layer.state == Layer::State::failed) Q_EMIT message(layer.problem);
  if (layer.wants_spacing) Q_EMIT voxel_size_wanted(role);
  tell_damage();
}

}  // namespace gigawarp::ui

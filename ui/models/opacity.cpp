#include "ui/models/opacity.h"

#include <QCoreApplication>
#include <QStringList>
#include <algorithm>
#include <cmath>

namespace gigawarp::ui {
namespace {

bool is_shown(const Workspace& workspace, LayerRole role) {
  return workspace.layers().is_ready(role) && workspace.layers().layer(role).visible;
}

/// In whole percent, so that ten steps up and down end where they began.
double moved(double opacity, double step) {
  return std::clamp(std::round(100 * (opacity + step)) / 100, 0.0, 1.0);
}

std::vector<LayerLook> changed(LayerLook look, double opacity) {
  if (look.opacity == opacity) return {};
  look.opacity = opacity;
  return {look};
}

}  // namespace

bool shows_both_images(const Workspace& workspace) {
  return is_shown(workspace, LayerRole::fixed) && is_shown(workspace, LayerRole::moving) &&
         workspace.display().overlay;
}

std::vector<LayerLook> fade(const Workspace& workspace, LayerRole chosen, double step) {
  const LayerModel& layers = workspace.layers();
  const auto by_itself = [&](LayerRole role) {
    const LayerLook look = workspace.look_of(role);
    return changed(look, moved(look.opacity, step));
  };
  if (is_labels(chosen) && layers.is_ready(chosen)) return by_itself(chosen);
  if (shows_both_images(workspace)) {
    const LayerRole wanted = step > 0 ? LayerRole::moving : LayerRole::fixed;
    const LayerRole other = step > 0 ? LayerRole::fixed : LayerRole::moving;
    if (layers.layer(wanted).opacity < 1)
      return changed(workspace.look_of(wanted),
                     moved(layers.layer(wanted).opacity, std::abs(step)));
    return changed(workspace.look_of(other), moved(layers.layer(other).opacity, -std::abs(step)));
  }
  for (const LayerRole role : {LayerRole::fixed, LayerRole::moving})
    if (is_shown(workspace, role)) return by_itself(role);
  return {};
}

QString opacity_text(const Workspace& workspace, const std::vector<LayerLook>& looks) {
  QStringList parts;
  const auto add = [&](LayerRole role, double opacity) {
    parts << QCoreApplication::translate("gigawarp::ui", "%1: opacity %2 %")
                 .arg(title_of(role))
                 .arg(std::lround(100 * opacity));
  };
  for (const LayerRole role : kAllLayerRoles) {
    const auto look = std::find_if(looks.begin(), looks.end(),
                                   [role](const LayerLook& l) { return l.role == role; });
    if (look != looks.end())
      add(role, look->opacity);
    else if (is_image(role) && !looks.empty() && is_image(looks.front().role) &&
             shows_both_images(workspace))
      add(role, workspace.layers().layer(role).opacity);
  }
  return parts.join(QStringLiteral(", "));
}

}  // namespace gigawarp::ui

#pragma once
#include <QJsonArray>
#include <QJsonObject>
#include <optional>
#include <vector>

#include "io/landmarks_io.h"
#include "ui/models/layer.h"
#include "ui/models/view_state.h"

/// The parts of a session file.
namespace gigawarp::ui {

QJsonObject to_json(const ViewState& view);
ViewState view_from(const QJsonObject& json);
QJsonObject to_json(const DisplayState& display);
DisplayState display_from(const QJsonObject& json);
/// Of an image in a session from when the two had one balance in place of opacities (0: the fixed
/// one alone, 1: the moving one alone); nothing for other layers and in newer sessions.
std::optional<double> opacity_of_balance(LayerRole role, const QJsonObject& display);
QJsonArray to_json(const Affine& map);
QJsonArray to_json(const std::vector<io::Landmark>& landmarks);
std::vector<io::Landmark> landmarks_from(const QJsonArray& json);
/// Nothing unless it is twelve finite numbers.
std::optional<Affine> affine_from(const QJsonValue& json);

}  // namespace gigawarp::ui

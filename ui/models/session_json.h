#pragma once
#include <QJsonObject>
#include <optional>

#include "ui/models/view_state.h"

/// The parts of a session file.
namespace gigawarp::ui {

QJsonObject to_json(const ViewState& view);
ViewState view_from(const QJsonObject& json);
QJsonObject to_json(const DisplayState& display);
DisplayState display_from(const QJsonObject& json);
QJsonArray to_json(const Affine& map);
/// Nothing unless it is twelve finite numbers.
std::optional<Affine> affine_from(const QJsonValue& json);

}  // namespace gigawarp::ui

#include "ui/models/session_json.h"

#include <algorithm>
#include <cmath>

namespace gigawarp::ui {
namespace {

QJsonArray array_of(const Vec3& v) { return {v[0], v[1], v[2]}; }

Vec3 vec3_from(const QJsonValue& json) {
  const QJsonArray array = json.toArray();
  return {array.at(0).toDouble(), array.at(1).toDouble(), array.at(2).toDouble()};
}

}  // namespace

QJsonObject to_json(const ViewState& view) {
  return {{"cursor_mm", array_of(view.cursor_mm)},
          {"centre_mm", array_of(view.centre_mm)},
          {"zoom", view.zoom},
          {"neurological", view.neurological},
          {"turn", to_json(Affine{view.turn, {}})}};
}

ViewState view_from(const QJsonObject& json) {
  ViewState view;
  view.cursor_mm = vec3_from(json["cursor_mm"]);
  view.centre_mm = vec3_from(json["centre_mm"]);
  view.zoom = std::clamp(json["zoom"].toDouble(1), 0.01, 1000.0);
  view.neurological = json["neurological"].toBool();
  if (const auto turn = affine_from(json["turn"]))
    view.turn = render::turned_further(turn->linear, render::kStraight);
  // Made orthogonal again, which must not turn a straight plane by its last bit.
  if (const auto turn = affine_from(json["turn"]); turn && turn->linear == render::kStraight)
    view.turn = render::kStraight;
  return view;
}

QJsonObject to_json(const DisplayState& d) {
  return {{"mode", static_cast<int>(d.mode)},
          {"overlay", d.overlay},
          {"swipe", d.swipe},
          {"checker_pixels", d.checker_pixels},
          {"grid", d.grid},
          {"glyphs", d.glyphs},
          {"map", static_cast<int>(d.map)},
          {"map_opacity", d.map_opacity},
          {"landmarks", d.landmarks},
          {"head", static_cast<int>(d.head)},
          {"cut_planes", d.cut_planes}};
}

DisplayState display_from(const QJsonObject& json) {
  DisplayState d;
  d.mode = static_cast<render::CompareMode>(std::clamp(json["mode"].toInt(), 0, 5));
  d.overlay = json["overlay"].toBool(true);
  d.swipe = std::clamp(json["swipe"].toDouble(0.5), 0.0, 1.0);
  d.checker_pixels = std::clamp(json["checker_pixels"].toInt(48), 4, 1000);
  d.grid = json["grid"].toBool();
  d.glyphs = json["glyphs"].toBool();
  d.map = static_cast<MapChoice>(std::clamp(json["map"].toInt(), 0, 4));
  d.map_opacity = std::clamp(json["map_opacity"].toDouble(0.7), 0.0, 1.0);
  d.landmarks = json["landmarks"].toBool(true);
  d.head = static_cast<render::HeadStyle>(std::clamp(json["head"].toInt(), 0, 3));
  d.cut_planes = json["cut_planes"].toBool(true);
  return d;
}

std::optional<double> opacity_of_balance(LayerRole role, const QJsonObject& display) {
  if (!is_image(role) || !display["balance"].isDouble()) return std::nullopt;
  const double moving = std::clamp(display["balance"].toDouble(), 0.0, 1.0);
  return std::min(1.0, 2 * (is_of_moving(role) ? moving : 1 - moving));
}

QJsonArray to_json(const Affine& map) {
  QJsonArray array;
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 3; ++c) array.append(map.linear[r][c]);
    array.append(map.offset[r]);
  }
  return array;
}

QJsonArray to_json(const std::vector<io::Landmark>& landmarks) {
  QJsonArray array;
  for (const io::Landmark& mark : landmarks)
    array.append(QJsonObject{{"name", QString::fromStdString(mark.name)},
                             {"position_mm", array_of(mark.position_mm)},
                             {"held_out", mark.held_out}});
  return array;
}

std::vector<io::Landmark> landmarks_from(const QJsonArray& json) {
  std::vector<io::Landmark> landmarks;
  for (const auto& entry : json) {
    const QJsonObject mark = entry.toObject();
    landmarks.push_back({mark["name"].toString().toStdString(), vec3_from(mark["position_mm"]),
                         mark["held_out"].toBool()});
  }
  return landmarks;
}

std::optional<Affine> affine_from(const QJsonValue& json) {
  const QJsonArray array = json.toArray();
  if (array.size() != 12) return std::nullopt;
  Affine map;
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 4; ++c) {
      const double value = array.at(4 * r + c).toDouble(std::nan(""));
      if (!std::isfinite(value)) return std::nullopt;
      const auto row = static_cast<std::size_t>(r), column = static_cast<std::size_t>(c);
      (c < 3 ? map.linear[row][column] : map.offset[row]) = value;
    }
  return map;
}

}  // namespace gigawarp::ui

#include "ui/models/readout.h"

#include <QCoreApplication>
#include <QRegularExpression>
#include <algorithm>
#include <cmath>

namespace gigawarp::ui {
namespace {

QString tr(const char* text) { return QCoreApplication::translate("gigawarp::ui", text); }

/// Below this voxel size lengths are told in µm, as spacing_text() does.
constexpr double kMicroscopicMm = 0.1;

bool is_microscopic(const Grid& grid) {
  const Vec3 spacing = grid.spacing_mm();
  return std::max({spacing[0], spacing[1], spacing[2]}) < kMicroscopicMm;
}

QString length_number(double mm, bool micrometres) {
  return micrometres ? QString::number(1000 * mm, 'f', 1) : QString::number(mm, 'f', 2);
}

QString length_unit(bool micrometres) {
  return micrometres ? QStringLiteral("µm") : QStringLiteral("mm");
}

QString voxel_text(const QString& voxel) { return tr("voxel %1").arg(voxel); }

/// With the channel, where the file has several.
QString name_of(LayerRole role, const Layer& layer) {
  const QString part = part_text(layer);
  return part.isEmpty() ? title_of(role) : tr("%1 (%2)").arg(title_of(role), part);
}

std::optional<double> value_at(const Volume& volume, const Vec3& world) {
  const Vec3 v = volume.grid().voxel_from_world()(world);
  std::int64_t i[3];
  for (int a = 0; a < 3; ++a) {
    const double nearest = std::floor(v[a] + 0.5);
    if (!(nearest >= 0 && nearest < static_cast<double>(volume.grid().size[a])))
      return std::nullopt;
    i[a] = static_cast<std::int64_t>(nearest);
  }
  return volume.value(i[0], i[1], i[2]);
}

/// A number of an image, or a label with its name where it has one.
QString value_text(LayerRole role, const Layer& layer, double value) {
  if (!is_labels(role) || !std::isfinite(value)) return QString::number(value, 'g', 5);
  const auto label = static_cast<qlonglong>(value);
  if (layer.names.list != nullptr)
    if (const auto name = layer.names.list->find(label); name != layer.names.list->end())
      return QStringLiteral("%1 %2").arg(label).arg(QString::fromStdString(name->second.name));
  return QString::number(label);
}

/// Of the finest level in memory; which one is said unless it is the finest there is.
QString streamed_value(LayerRole role, const Layer& layer, const Vec3& world) {
  const render::StreamedVolume& volume = *layer.stream;
  const render::StreamedVolume::Value v = volume.value_at(world);
  if (v.damaged) return tr("damaged");
  if (!v.value) return tr("outside");
  const QString value = value_text(role, layer, *v.value);
  return v.level == 0 ? value : tr("%1 (level %2)").arg(value).arg(volume.number_of(v.level));
}

/// det of the derivative of the deformable part, by central differences of half a voxel.
std::optional<double> jacobian_at(const Transform& warp, const Vec3& world, double step_mm) {
  double m[3][3];
  for (int c = 0; c < 3; ++c) {
    Vec3 low = world, high = world;
    low[c] -= step_mm;
    high[c] += step_mm;
    for (const TransformStage& stage : warp.stages) {
      const auto* field = std::get_if<DisplacementField>(&stage);
      if (field == nullptr) continue;
      const auto a = field->at_world(low), b = field->at_world(high);
      if (!a || !b) return std::nullopt;
      for (int r = 0; r < 3; ++r) {
        low[r] += (*a)[r];
        high[r] += (*b)[r];
      }
    }
    for (int r = 0; r < 3; ++r) m[r][c] = (high[r] - low[r]) / (2 * step_mm);
  }
  return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
         m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
         m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

bool has_field(const Transform& warp) {
  for (const TransformStage& stage : warp.stages)
    if (std::holds_alternative<DisplacementField>(stage)) return true;
  return false;
}

}  // namespace

QString world_text(const Vec3& world, bool micrometres) {
  constexpr char kPositive[] = "LPS", kNegative[] = "RAI";
  QString text;
  for (int a = 0; a < 3; ++a) {
    if (a > 0) text += QStringLiteral("  ");
    text += QLatin1Char(world[a] >= 0 ? kPositive[a] : kNegative[a]);
    text += QLatin1Char(' ') + length_number(std::abs(world[a]), micrometres);
  }
  return text + QLatin1Char(' ') + length_unit(micrometres);
}

QString Readout::line() const {
  QString text = voxel.isEmpty() ? world : voxel_text(voxel) + QStringLiteral("   ") + world;
  for (const Value& v : values) text += QStringLiteral("   ") + v.name + QLatin1Char(' ') + v.value;
  return text;
}

Readout read_out(const Workspace& workspace, const Vec3& world) {
  Readout out;
  const Grid* grid = workspace.reference();
  const bool fine = grid != nullptr && is_microscopic(*grid);
  out.world = world_text(world, fine);
  if (grid == nullptr) return out;
  const Vec3 voxel = grid->voxel_from_world()(world);
  out.voxel = QStringLiteral("%1, %2, %3")
                  .arg(voxel[0], 0, 'f', 0)
                  .arg(voxel[1], 0, 'f', 0)
                  .arg(voxel[2], 0, 'f', 0);
  const std::shared_ptr<const Transform> warp = workspace.warp();
  const std::optional<Vec3> warped = warp != nullptr ? (*warp)(world) : world;
  for (const LayerRole role : kAllLayerRoles) {
    const Layer& layer = workspace.layers().layer(role);
    if (layer.state != Layer::State::ready || layer.volume == nullptr) continue;
    if (is_of_moving(role) && !warped) continue;
    const Vec3& place = is_of_moving(role) ? *warped : world;
    if (layer.stream != nullptr) {
      out.values.push_back({name_of(role, layer), streamed_value(role, layer, place)});
      continue;
    }
    const auto value = value_at(*layer.volume, place);
    out.values.push_back(
        {name_of(role, layer), value ? value_text(role, layer, *value) : tr("outside")});
  }
  if (warp != nullptr && warped) {
    const double mm =
        std::hypot((*warped)[0] - world[0], (*warped)[1] - world[1], (*warped)[2] - world[2]);
    out.values.push_back(
        {tr("Displacement"), length_number(mm, fine) + QLatin1Char(' ') + length_unit(fine)});
    if (has_field(*warp)) {
      const Vec3 spacing = grid->spacing_mm();
      if (const auto det =
              jacobian_at(*warp, world, 0.5 * std::min({spacing[0], spacing[1], spacing[2]})))
        out.values.push_back({tr("det J"), QString::number(*det, 'f', 3)});
    }
  }
  return out;
}

std::optional<Vec3> parse_point(const QString& text, const Grid& grid) {
  static const QRegularExpression number(
      QStringLiteral("([LRAPSI]?)\\s*([-+]?[0-9]*\\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"),
      QRegularExpression::CaseInsensitiveOption);
  QString rest = text.trimmed();
  const bool is_voxel = rest.startsWith(QLatin1Char('v'), Qt::CaseInsensitive);
  if (is_voxel) rest.remove(QRegularExpression(QStringLiteral("^[a-zA-Z]+")));
  Vec3 point{};
  int found = 0;
  auto matches = number.globalMatch(rest);
  while (matches.hasNext()) {
    const QRegularExpressionMatch match = matches.next();
    if (found == 3) return std::nullopt;
    double value = match.captured(2).toDouble();
    int axis = found;
    if (!match.captured(1).isEmpty() && !is_voxel) {
      const QString letter = match.captured(1).toUpper();
      const auto positive = QStringLiteral("LPS").indexOf(letter);
      const auto negative = QStringLiteral("RAI").indexOf(letter);
      axis = static_cast<int>(std::max(positive, negative));
      if (negative >= 0) value = -value;
    }
    point.at(static_cast<std::size_t>(axis)) = value;
    ++found;
  }
  if (found != 3) return std::nullopt;
  if (is_voxel) return grid.world_from_voxel(point);
  const bool micrometres = rest.contains(QStringLiteral("µm")) ||
                           rest.contains(QStringLiteral("um"), Qt::CaseInsensitive);
  for (double& part : point) part *= micrometres ? 1e-3 : 1;
  return point;
}

}  // namespace gigawarp::ui

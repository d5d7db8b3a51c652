#include "ui/models/layer.h"

#include <QCoreApplication>
#include <QFileInfo>
#include <QLocale>
#include <algorithm>

namespace gigawarp::ui {
namespace {

QString tr(const char* text) { return QCoreApplication::translate("gigawarp::ui", text); }

QString sizes_text(const Size3& n) {
  return QStringLiteral("%1 × %2 × %3").arg(n[0]).arg(n[1]).arg(n[2]);
}

}  // namespace

QString title_of(LayerRole role) {
  switch (role) {
    case LayerRole::fixed: return tr("Fixed image");
    case LayerRole::moving: return tr("Moving image");
    case LayerRole::fixed_mask: return tr("Fixed mask");
    case LayerRole::moving_mask: return tr("Moving mask");
    case LayerRole::fixed_labels: return tr("Fixed labels");
    case LayerRole::moving_labels: return tr("Moving labels");
    case LayerRole::fixed_landmarks: return tr("Fixed landmarks");
    case LayerRole::moving_landmarks: break;
  }
  return tr("Moving landmarks");
}

const char* key_of(LayerRole role) {
  constexpr std::array<const char*, kLayerRoles> kKeys{
      "fixed",        "moving",        "fixed_mask",      "moving_mask",
      "fixed_labels", "moving_labels", "fixed_landmarks", "moving_landmarks"};
  return kKeys.at(static_cast<std::size_t>(role));
}

bool is_landmarks(LayerRole role) {
  return role == LayerRole::fixed_landmarks || role == LayerRole::moving_landmarks;
}
bool is_labels(LayerRole role) { return !is_landmarks(role) && !is_image(role); }
bool is_label_map(LayerRole role) {
  return role == LayerRole::fixed_labels || role == LayerRole::moving_labels;
}
bool is_image(LayerRole role) { return role == LayerRole::fixed || role == LayerRole::moving; }
bool is_of_moving(LayerRole role) { return static_cast<int>(role) % 2 == 1; }
double first_opacity(LayerRole role) {
  if (is_label_map(role)) return 0.4;
  return is_labels(role) ? 0.9 : 1;
}

QString spacing_text(const Vec3& mm) {
  const bool micro = std::max({mm[0], mm[1], mm[2]}) < 0.1;
  const auto number = [micro](double v) { return QString::number(micro ? 1000 * v : v, 'g', 4); };
  const QString unit = micro ? QStringLiteral("µm") : QStringLiteral("mm");
  return QStringLiteral("%1 × %2 × %3 %4").arg(number(mm[0]), number(mm[1]), number(mm[2]), unit);
}

bool is_same_part(const ImageSelection& a, const ImageSelection& b) {
  return a.level.value_or(0) == b.level.value_or(0) &&
         a.channel.value_or(0) == b.channel.value_or(0) &&
         a.timepoint.value_or(0) == b.timepoint.value_or(0);
}

ImageSelection level_of(const ImageSelection& image) { return {image.level, {}, {}}; }

ImageSelection selection_of(const Layer& layer) {
  ImageSelection out = layer.selection;
  if (layer.parts.channels > 1) out.channel = out.channel.value_or(0);
  if (layer.parts.timepoints > 1) out.timepoint = out.timepoint.value_or(0);
  return out;
}

QString channel_text(const Layer& layer, int channel) {
  const auto index = static_cast<std::size_t>(channel);
  const std::vector<std::string>& names = layer.parts.channel_names;
  if (index < names.size() && !names[index].empty()) return QString::fromStdString(names[index]);
  return tr("channel %1").arg(channel);
}

QString part_text(const Layer& layer) {
  QStringList parts;
  if (layer.parts.channels > 1) parts << channel_text(layer, layer.selection.channel.value_or(0));
  if (layer.parts.timepoints > 1)
    parts << tr("time point %1").arg(layer.selection.timepoint.value_or(0));
  return parts.join(QStringLiteral(", "));
}

QString coarse_level_text(const Layer& layer) {
  if (layer.stream == nullptr || layer.volume == nullptr || layer.stream->overview_level() == 0)
    return {};
  return tr("level %1 (%2)")
      .arg(layer.stream->number_of(layer.stream->overview_level()))
      .arg(sizes_text(layer.volume->grid().size));
}

QStringList description_of(const Layer& layer) {
  if (layer.state == Layer::State::failed) return {layer.problem};
  if (layer.volume == nullptr) {
    if (layer.landmarks.empty()) return {};
    return {tr("%1 points").arg(layer.landmarks.size())};
  }
  const Grid& grid = layer.grid();
  QStringList lines;
  if (const QString part = part_text(layer); !part.isEmpty()) lines << tr("Shown: %1").arg(part);
  lines << tr("Size: %1 × %2 × %3 voxels")
               .arg(QLocale().toString(static_cast<qlonglong>(grid.size[0])),
                    QLocale().toString(static_cast<qlonglong>(grid.size[1])),
                    QLocale().toString(static_cast<qlonglong>(grid.size[2])));
  lines << tr("Voxel: %1").arg(spacing_text(grid.spacing_mm()));
  lines << tr("Axes grow towards: %1").arg(QString::fromStdString(grid.orientation()));
  const QString type = QString::fromUtf8(name_of(layer.volume->type()).data());
  const auto size_text = [](std::int64_t bytes) { return QLocale().formattedDataSize(bytes); };
  if (layer.stream == nullptr) {
    lines << tr("Type: %1, %2, %3 in memory")
                 .arg(type, layer.format, size_text(static_cast<qint64>(layer.volume->bytes())));
    lines
        << tr("Values: %1 to %2").arg(layer.range.low, 0, 'g', 5).arg(layer.range.high, 0, 'g', 5);
  } else {
    lines << tr("Type: %1, %2, %3 of numbers in the file")
                 .arg(type, layer.format,
                      size_text(grid.voxel_count() *
                                static_cast<qint64>(size_of(layer.volume->type()))));
    const std::size_t levels = layer.stream->info().levels.size();
    lines << (levels == 1 ? tr("Streams, one level") : tr("Streams, %1 levels").arg(levels));
    const QString by = coarse_level_text(layer);
    lines << (by.isEmpty() ? tr("Values: %1 to %2") : tr("Values: %1 to %2, by %3"))
                 .arg(layer.range.low, 0, 'g', 5)
                 .arg(layer.range.high, 0, 'g', 5);
    if (!by.isEmpty()) lines.back() = lines.back().arg(by);
    const std::vector<std::string> problems = layer.stream->problems();
    if (!problems.empty())
      lines
          << tr("Damaged, hatched in the views: %1").arg(QString::fromStdString(problems.front()));
    if (problems.size() > 1) lines << tr("… and %1 more").arg(problems.size() - 1);
  }
  if (layer.names.list != nullptr)
    lines << tr("Names: %1 labels, from %2")
                 .arg(layer.names.list->size())
                 .arg(QFileInfo(layer.names.path).fileName());
  for (const QString& note : layer.notes) lines << tr("Note: %1").arg(note);
  return lines;
}

}  // namespace gigawarp::ui

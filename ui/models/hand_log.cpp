#include "ui/models/hand_log.h"

#include <QStringList>
#include <algorithm>
#include <utility>

#include "ui/models/job_model.h"
#include "ui/models/landmark_pairs.h"

namespace gigawarp::ui {
namespace {

constexpr int kRestMs = 400;

QString text_of(const Vec3& v, int decimals = 2) {
  QStringList parts;
  for (const double part : v) parts << QString::number(part, 'f', decimals);
  return parts.join(QStringLiteral(", "));
}

/// Row by row, as in a matrix file of ITK: 9 numbers, then the translation.
QString text_of(const Affine& map) {
  QStringList parts;
  for (std::size_t r = 0; r < 3; ++r)
    for (std::size_t c = 0; c < 3; ++c) parts << QString::number(map.linear[r][c], 'g', 8);
  for (const double part : map.offset) parts << QString::number(part, 'g', 8);
  return parts.join(QLatin1Char(' '));
}

const io::Landmark* find(const std::vector<io::Landmark>& list, const std::string& name) {
  const auto found = std::find_if(list.begin(), list.end(),
                                  [&](const io::Landmark& mark) { return mark.name == name; });
  return found == list.end() ? nullptr : &*found;
}

bool same(const io::Landmark& a, const io::Landmark& b) {
  return a.name == b.name && a.position_mm == b.position_mm && a.held_out == b.held_out;
}

bool same(const std::vector<io::Landmark>& a, const std::vector<io::Landmark>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const io::Landmark& x, const io::Landmark& y) { return same(x, y); });
}

}  // namespace

HandLog::HandLog(Workspace& workspace, QObject* parent) : QObject(parent), workspace_(workspace) {
  rest_.setSingleShot(true);
  rest_.setInterval(kRestMs);
  connect(&rest_, &QTimer::timeout, this, &HandLog::look);
  connect(&workspace_, &Workspace::warp_changed, this, [this] {
    if (workspace_.alignment() != alignment_) rest_.start();
  });
  connect(&workspace_.layers(), &LayerModel::layer_changed, this, &HandLog::tell_file);
  connect(&workspace_.pairs(), &QAbstractItemModel::modelReset, &rest_,
          qOverload<>(&QTimer::start));
  connect(&workspace_.pairs(), &QAbstractItemModel::dataChanged, &rest_,
          qOverload<>(&QTimer::start));
  connect(&workspace_.layers(), &LayerModel::layer_changed, this, &HandLog::tell_part);
  connect(&workspace_.layers(), &LayerModel::layer_changed, this, &HandLog::tell_names);
}

/// What of a file is shown is told when it changes; what opens first the file's row tells.
void HandLog::tell_part(LayerRole role) {
  const Layer& layer = workspace_.layers().layer(role);
  if (!is_image(role) || layer.state != Layer::State::ready) return;
  const std::size_t side = is_of_moving(role) ? 1 : 0;
  const bool same_file = std::exchange(part_files_[side], layer.path) == layer.path;
  const ImageSelection before = std::exchange(parts_[side], layer.selection);
  if (!same_file || is_same_part(before, layer.selection)) return;
  const QString prefix = QStringLiteral("--%1-").arg(QLatin1String(key_of(role)));
  QStringList options = image_options(prefix, selection_of(layer));
  if (options.isEmpty()) options = image_options(prefix, {0, {}, {}});
  say(tr("%1: another part of \"%2\"  (register %3)")
          .arg(title_of(role), layer.path, options.join(QLatin1Char(' '))));
}

/// What is opened and closed, in the words of register's options; landmarks are told as pairs.
void HandLog::tell_file(LayerRole role) {
  const Layer& layer = workspace_.layers().layer(role);
  if (is_landmarks(role) || layer.state == Layer::State::loading ||
      layer.state == Layer::State::failed)
    return;
  QString& told = files_.at(static_cast<std::size_t>(role));
  if (layer.path == told) return;
  told = layer.path;
  QString option = QStringLiteral("--") + QLatin1String(key_of(role));
  option.replace(QLatin1Char('_'), QLatin1Char('-'));
  if (role == LayerRole::moving_labels) option = QStringLiteral("--labels");
  say(told.isEmpty()
          ? tr("%1: closed").arg(title_of(role))
          : tr("%1: opened  (register %2 %3)").arg(title_of(role), option, shell_command({told})));
}

void HandLog::tell_names(LayerRole role) {
  const Layer& layer = workspace_.layers().layer(role);
  if (!is_label_map(role) || layer.state == Layer::State::loading) return;
  QString& told = names_.at(static_cast<std::size_t>(role));
  const QString now = layer.names.list != nullptr ? layer.names.path : QString();
  if (now == std::exchange(told, now)) return;
  if (layer.names.list != nullptr)
    say(tr("%1: %2 names  (qc --label-names %3)")
            .arg(title_of(role))
            .arg(layer.names.list->size())
            .arg(shell_command({told})));
  else if (layer.state == Layer::State::ready)
    say(tr("%1: without names").arg(title_of(role)));
}

void HandLog::say(const QString& line) { Q_EMIT logged(QStringLiteral("by hand  ") + line); }

void HandLog::look() {
  if (const Affine& now = workspace_.alignment(); now != alignment_) {
    alignment_ = now;
    say(now == Affine{} ? tr("alignment: forgotten, what the files say counts")
                        : tr("alignment, moving from fixed in LPS mm: %1  (a job's "
                             "\"initial_transform\", register --init FILE)")
                              .arg(text_of(now)));
  }
  tell_landmarks(workspace_.landmarks());
}

/// Files that are loaded are the loader's to tell; here, what differs from the last look.
void HandLog::tell_landmarks(const LandmarkSides& now) {
  const QString fixed_file = workspace_.layers().layer(LayerRole::fixed_landmarks).path,
                moving_file = workspace_.layers().layer(LayerRole::moving_landmarks).path;
  if (!fixed_file.isEmpty() && !moving_file.isEmpty()) {
    if (!same(now[0], landmarks_[0]) || !same(now[1], landmarks_[1]))
      say(tr("landmarks: %1 pairs  (register --landmarks %2 %3)")
              .arg(now[0].size())
              .arg(fixed_file, moving_file));
  } else {
    for (const io::Landmark& fixed : now[0]) {
      const io::Landmark* moving = find(now[1], fixed.name);
      const io::Landmark* last[2] = {find(landmarks_[0], fixed.name),
                                     find(landmarks_[1], fixed.name)};
      if (moving == nullptr || (last[0] != nullptr && last[1] != nullptr && same(fixed, *last[0]) &&
                                same(*moving, *last[1])))
        continue;
      say(tr("landmark %1: fixed %2, moving %3 mm LPS%4")
              .arg(QString::fromStdString(fixed.name), text_of(fixed.position_mm),
                   text_of(moving->position_mm), fixed.held_out ? tr(", held out") : QString()));
    }
    for (const io::Landmark& gone : landmarks_[0])
      if (find(now[0], gone.name) == nullptr)
        say(tr("landmark %1: removed").arg(QString::fromStdString(gone.name)));
  }
  landmarks_ = now;
}

}  // namespace gigawarp::ui

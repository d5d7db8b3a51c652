#include <QCoreApplication>
#include <QFileInfo>
#include <QPointer>
#include <algorithm>
#include <utility>

#include "gigawarp/error.h"
#include "ui/models/background.h"
#include "ui/models/workspace.h"

// What the labels of label maps are called.
namespace gigawarp::ui {
namespace {

/// A .csv that is larger is nobody's list of names, and reading it would hold up the window.
constexpr qint64 kLargestCsv = 1 << 20;

bool is_csv(const QString& path) {
  return path.endsWith(QLatin1String(".csv"), Qt::CaseInsensitive);
}

struct ReadNames {
  std::shared_ptr<const io::LabelNames> names;  ///< null: they could not be read
  QString problem;
};

ReadNames read_names(const QString& path) {
  try {
    return {std::make_shared<const io::LabelNames>(io::read_label_names(path.toStdString())), {}};
  } catch (const std::exception& error) {
    return {nullptr, QString::fromStdString(error.what())};
  }
}

}  // namespace

std::vector<LayerRole> Workspace::open_label_maps() const {
  std::vector<LayerRole> out;
  for (const LayerRole role : kAllLayerRoles) {
    const Layer::State state = layers_.layer(role).state;
    if (is_label_map(role) && (state == Layer::State::ready || state == Layer::State::loading))
      out.push_back(role);
  }
  return out;
}

bool Workspace::holds_label_names(const QString& path) const {
  if (io::has_ending_of_label_names(path.toStdString())) return true;
  // Landmarks end so too; which of them it is the file tells.
  return is_csv(path) && !open_label_maps().empty() && QFileInfo(path).size() <= kLargestCsv &&
         read_names(path).names != nullptr;
}

void Workspace::name_labels(const std::vector<LayerRole>& roles, const QString& path) {
  std::vector<std::pair<LayerRole, QString>> wanted;  // and the volume that has them
  for (const LayerRole role : open_label_maps())
    if (std::find(roles.begin(), roles.end(), role) != roles.end())
      wanted.emplace_back(role, layers_.layer(role).path);
  if (wanted.empty()) {
    Q_EMIT message(tr("\"%1\" is no volume. Names of labels can be opened when the label volume "
                      "that they belong to is open.")
                       .arg(path));
    return;
  }
  background_pool().start([guard = QPointer<Workspace>(this), wanted, path] {
    ReadNames read = read_names(path);
    QMetaObject::invokeMethod(
        qApp,
        [guard, wanted, path, read = std::move(read)] {
          if (guard == nullptr) return;
          if (read.names == nullptr) {
            Q_EMIT guard->message(read.problem);
            return;
          }
          for (const auto& [role, volume] : wanted)
            if (guard->layers_.layer(role).path == volume) guard->set_names(role, path, read.names);
        },
        Qt::QueuedConnection);
  });
}

void Workspace::forget_names(LayerRole role) { set_names(role, {}, nullptr); }

void Workspace::promise_names(LayerRole role, const QString& path) {
  set_names(role, path, nullptr);
  if (!path.isEmpty()) name_labels({role}, path);
}

void Workspace::set_names(LayerRole role, const QString& path,
                          std::shared_ptr<const io::LabelNames> names) {
  Layer layer = layers_.layer(role);
  if (layer.state == Layer::State::empty || layer.state == Layer::State::failed) return;
  layer.names = {path, std::move(names), true};
  layers_.set_layer(role, std::move(layer));
}

io::LabelNames Workspace::label_names() const {
  io::LabelNames out;
  for (const LayerRole role : {LayerRole::fixed_labels, LayerRole::moving_labels}) {
    const Layer& layer = layers_.layer(role);
    if (layer.state == Layer::State::ready && layer.names.list != nullptr)
      out.insert(layer.names.list->begin(), layer.names.list->end());
  }
  return out;
}

}  // namespace gigawarp::ui

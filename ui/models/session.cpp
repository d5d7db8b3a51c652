#include "ui/models/session.h"

#include <QCoreApplication>
#include <QDir>
#include <QFileInfo>
#include <QJsonArray>
#include <QJsonDocument>
#include <QPointer>
#include <QSaveFile>
#include <QSettings>
#include <QStandardPaths>
#include <algorithm>
#include <utility>

#include "gigawarp/error.h"
#include "job/checksum.h"
#include "ui/models/address.h"
#include "ui/models/background.h"
#include "ui/models/session_json.h"

namespace gigawarp::ui {
namespace {

constexpr int kVersion = 1, kAutosaveMs = 30000, kRecent = 12;

QString autosave_folder() {
  return QStandardPaths::writableLocation(QStandardPaths::AppDataLocation);
}

/// Empty when the file cannot be read.
QString checksum(const QString& path) {
  try {
    return QString::fromStdString(job::sha256_of_file(path.toStdString()));
  } catch (const Error&) {
    return {};
  }
}

bool write_json(const QString& path, const QJsonObject& json) {
  QSaveFile file(path);
  const QByteArray text = QJsonDocument(json).toJson();
  return file.open(QIODevice::WriteOnly) && file.write(text) == text.size() && file.commit();
}

/// Landmarks that no file holds, of both sides; empty when files hold them.
QJsonArray landmarks_json(const Workspace& workspace) {
  const auto dropped = [&](LayerRole role) {
    const Layer& layer = workspace.layers().layer(role);
    return layer.state == Layer::State::ready && layer.path.isEmpty();
  };
  if (!dropped(LayerRole::fixed_landmarks) && !dropped(LayerRole::moving_landmarks)) return {};
  const LandmarkSides sides = workspace.landmarks();
  return {to_json(sides[0]), to_json(sides[1])};
}

}  // namespace

Session::Session(Workspace& workspace, JobModel& jobs, Results& results, QObject* parent)
    : QObject(parent), workspace_(workspace), jobs_(jobs), results_(results) {
  autosave_ = autosave_folder() +
              QStringLiteral("/autosave-%1.gigawarp").arg(QCoreApplication::applicationPid());
  timer_.setInterval(kAutosaveMs);
  connect(&timer_, &QTimer::timeout, this, &Session::autosave);
  timer_.start();
  connect(&workspace_.layers(), &LayerModel::layer_changed, this, &Session::finish_layer);
}

Session::~Session() { QFile::remove(autosave_); }

QJsonObject Session::describe_layer(LayerRole role, const QDir* base) const {
  const Layer& layer = workspace_.layers().layer(role);
  QJsonObject json{{"absolute", layer.path},
                   {"visible", layer.visible},
                   {"opacity", layer.opacity},
                   {"map", static_cast<int>(layer.map)},
                   {"window", QJsonArray{layer.window.low, layer.window.high}}};
  if (layer.spacing_mm)
    json["spacing_mm"] =
        QJsonArray{(*layer.spacing_mm)[0], (*layer.spacing_mm)[1], (*layer.spacing_mm)[2]};
  const ImageSelection& part = layer.selection;
  for (const auto& [key, index] :
       {std::pair{"level", part.level}, std::pair{"channel", part.channel},
        std::pair{"timepoint", part.timepoint}})
    if (index) json[QLatin1String(key)] = *index;
  if (layer.names.chosen) {
    json["names_absolute"] = layer.names.path;  // empty: none, whatever lies beside the volume
    if (base != nullptr && !layer.names.path.isEmpty())
      json["names"] = base->relativeFilePath(layer.names.path);
  }
  if (base != nullptr && !is_address(layer.path)) json["path"] = base->relativeFilePath(layer.path);
  return json;
}

QJsonObject Session::describe(const QDir* base) const {
  QJsonObject layers;
  for (const LayerRole role : kAllLayerRoles) {
    const Layer& layer = workspace_.layers().layer(role);
    if (layer.state == Layer::State::ready && !layer.path.isEmpty())
      layers[QLatin1String(key_of(role))] = describe_layer(role, base);
  }
  JobSpec job = jobs_.common();
  job.preset = jobs_.preset().toStdString();
  for (int i = 0; i < jobs_.stage_count(); ++i) job.stages.push_back(jobs_.stage(i));
  QJsonObject json{
      {"gigawarp_session", kVersion},
      {"layers", layers},
      {"view", to_json(workspace_.view())},
      {"display", to_json(workspace_.display())},
      {"alignment", to_json(workspace_.alignment())},
      {"job", QJsonDocument::fromJson(QByteArray::fromStdString(gigawarp::to_json(job))).object()}};
  QJsonArray views;
  for (const NamedView& named : workspace_.named_views())
    views.append(
        QJsonObject{{"name", QString::fromStdString(named.name)}, {"view", to_json(named.view)}});
  if (!views.isEmpty()) json["named_views"] = views;
  if (const QJsonArray sides = landmarks_json(workspace_); !sides.isEmpty())
    json["landmarks"] = sides;
  if (results_.state() == Results::State::ready) {
    json["result_absolute"] = results_.folder();
    if (base != nullptr) json["result"] = base->relativeFilePath(results_.folder());
  }
  return json;
}

void Session::save(const QString& path) {
  const QDir base = QFileInfo(path).absoluteDir();
  background_pool().start([guard = QPointer<Session>(this), json = describe(&base), path,
                           at = workspace_.undo_stack().index()]() mutable {
    QJsonObject layers = json["layers"].toObject();
    for (const QString& key : layers.keys()) {
      QJsonObject layer = layers[key].toObject();
      layer["sha256"] = checksum(layer["absolute"].toString());
      layers[key] = layer;
    }
    json["layers"] = layers;
    const bool written = write_json(path, json);
    QMetaObject::invokeMethod(
        qApp,
        [guard, path, written, at] {
          if (guard == nullptr) return;
          if (!written) {
            Q_EMIT guard->workspace_.message(
                tr("The session \"%1\" could not be written; is the folder writable?").arg(path));
            Q_EMIT guard->not_saved();
            return;
          }
          guard->path_ = path;
          // What was done since it was described is not in it.
          if (guard->workspace_.undo_stack().index() == at)
            guard->workspace_.undo_stack().setClean();
          remember(path);
          Q_EMIT guard->workspace_.message(tr("Session saved to %1").arg(path));
          Q_EMIT guard->saved(path);
        },
        Qt::QueuedConnection);
  });
}

void Session::autosave() {
  bool anything = false;
  for (const LayerRole role : kAllLayerRoles)
    anything = anything || workspace_.layers().is_ready(role);
  if (!anything) return;
  background_pool().start([json = describe(nullptr), path = autosave_] {
    QDir().mkpath(QFileInfo(path).absolutePath());
    write_json(path, json);
  });
}

QStringList Session::left_behind() {
  const QDir folder(autosave_folder());
  QStringList found;
  for (const QFileInfo& info :
       folder.entryInfoList({QStringLiteral("autosave-*.gigawarp")}, QDir::Files, QDir::Time)) {
    const QString pid = info.completeBaseName().mid(QStringLiteral("autosave-").size());
    if (!QFileInfo::exists(QStringLiteral("/proc/") + pid)) found << info.absoluteFilePath();
  }
  return found;
}

void Session::recover(const QString& autosave) {
  if (restore(autosave)) QFile::remove(autosave);
}

void Session::open(const QString& path) {
  if (!restore(path)) return;
  path_ = path;
  remember(path);
}

bool Session::restore(const QString& path) {
  QFile file(path);
  const bool readable = file.open(QIODevice::ReadOnly);
  const QJsonObject json = QJsonDocument::fromJson(file.readAll()).object();
  if (!readable || json["gigawarp_session"].toInt() != kVersion) {
    Q_EMIT workspace_.message(
        readable ? tr("\"%1\" is not a session of this version of Gigawarp.").arg(path)
                 : tr("The session \"%1\" could not be read.").arg(path));
    return false;
  }
  for (const LayerRole role : kAllLayerRoles) workspace_.close_layer(role);
  workspace_.set_warp(WarpSource::header, nullptr);
  if (results_.state() != Results::State::none) results_.forget();
  try {
    const QByteArray job = QJsonDocument(json["job"].toObject()).toJson();
    if (json.contains("job")) jobs_.take(parse_job(job.toStdString()));
  } catch (const Error& error) {
    Q_EMIT workspace_.message(QString::fromStdString(error.what()));
  }
  if (const auto alignment = affine_from(json["alignment"])) workspace_.set_alignment(*alignment);
  workspace_.set_display(display_from(json["display"].toObject()));
  workspace_.undo_stack().clear();
  view_ = json["view"].toObject();
  std::vector<NamedView> views;
  const QJsonArray named = json["named_views"].toArray();
  for (const auto& entry : named) {
    const QJsonObject object = entry.toObject();
    views.push_back(
        {object["name"].toString().toStdString(), view_from(object["view"].toObject())});
  }
  workspace_.set_named_views(std::move(views));
  const QJsonObject layers = json["layers"].toObject();
  const QString base = QFileInfo(path).absolutePath();
  for (const LayerRole role : kAllLayerRoles) {
    if (!layers.contains(QLatin1String(key_of(role)))) continue;
    QJsonObject layer = layers[QLatin1String(key_of(role))].toObject();
    if (const auto opacity = opacity_of_balance(role, json["display"].toObject()))
      layer["opacity"] = *opacity;
    restore_layer(role, layer, base);
  }
  if (json.contains("landmarks")) {
    const QJsonArray sides = json["landmarks"].toArray();
    workspace_.change_landmarks(
        {landmarks_from(sides.at(0).toArray()), landmarks_from(sides.at(1).toArray())},
        tr("Open the session"));
    workspace_.undo_stack().clear();
  }
  const QString result = QDir(base).absoluteFilePath(json["result"].toString());
  if (json.contains("result") && QFileInfo::exists(result))
    results_.open(QDir::cleanPath(result));
  else if (QFileInfo::exists(json["result_absolute"].toString()))
    results_.open(json["result_absolute"].toString());
  return true;
}

/// Beside the session first: the folder may have been moved.
void Session::restore_layer(LayerRole role, const QJsonObject& json, const QString& base) {
  const QString beside = QDir::cleanPath(QDir(base).absoluteFilePath(json["path"].toString()));
  const QString absolute = json["absolute"].toString();
  const QString path = json.contains("path") && QFileInfo::exists(beside) ? beside : absolute;
  const std::optional<QString> names = names_in(json, base);
  pending_.at(static_cast<std::size_t>(role)) = {true, json, names};
  if (is_address(path) || QFileInfo::exists(path)) {
    const QJsonArray mm = json["spacing_mm"].toArray();
    std::optional<Vec3> spacing;
    if (mm.size() == 3) spacing = Vec3{mm[0].toDouble(), mm[1].toDouble(), mm[2].toDouble()};
    const auto index = [&](const char* key) -> std::optional<int> {
      const QJsonValue value = json[QLatin1String(key)];
      return value.isDouble() ? std::optional(value.toInt()) : std::nullopt;
    };
    workspace_.open_as(role, path, spacing, {index("level"), index("channel"), index("timepoint")});
    // While the labels are being read: what lies beside them must not be shown in between.
    if (names) workspace_.promise_names(role, *names);
    return;
  }
  Layer layer;
  layer.path = path;
  layer.state = Layer::State::failed;
  layer.problem =
      tr("The session's file \"%1\" is missing; double-click its row to say where it is.")
          .arg(json.contains("path") ? beside : absolute);
  workspace_.layers().set_layer(role, layer);
}

/// Beside the session first, as volumes are.
std::optional<QString> Session::names_in(const QJsonObject& json, const QString& base) {
  if (!json.contains("names_absolute")) return std::nullopt;
  const QString beside = QDir::cleanPath(QDir(base).absoluteFilePath(json["names"].toString()));
  return json.contains("names") && QFileInfo::exists(beside) ? beside
                                                             : json["names_absolute"].toString();
}

/// Puts the looks of a layer back once it has been read, and compares its checksum.
void Session::finish_layer(LayerRole role) {
  const Layer& now = workspace_.layers().layer(role);
  Pending& pending = pending_.at(static_cast<std::size_t>(role));
  if (!pending.waits || now.state != Layer::State::ready) return;
  const auto [waited, json, names] = std::exchange(pending, {});
  if (names && !now.names.chosen) workspace_.promise_names(role, *names);  // it was missing
  Layer layer = now;
  layer.visible = json["visible"].toBool(true);
  layer.opacity = std::clamp(json["opacity"].toDouble(layer.opacity), 0.0, 1.0);
  layer.map = static_cast<render::ColourMap>(std::clamp(json["map"].toInt(), 0, 2));
  const QJsonArray window = json["window"].toArray();
  if (window.size() == 2) layer.window = {window.at(0).toDouble(), window.at(1).toDouble()};
  const QString path = layer.path;
  workspace_.layers().set_layer(role, std::move(layer));
  if (is_image(role) && !view_.isEmpty() && (role == LayerRole::fixed))
    workspace_.set_view(view_from(std::exchange(view_, {})));
  const QString expected = json["sha256"].toString();
  if (expected.isEmpty()) return;
  background_pool().start([guard = QPointer<Session>(this), path, expected] {
    if (checksum(path) == expected) return;
    QMetaObject::invokeMethod(
        qApp,
        [guard, path] {
          if (guard != nullptr)
            Q_EMIT guard->workspace_.message(
                tr("\"%1\" has changed since the session was saved.").arg(path));
        },
        Qt::QueuedConnection);
  });
}

namespace {

/// Read from the settings once; written on another thread, since settings are flushed to the disk,
/// which may take long while a run writes. Other windows' lists are not looked at meanwhile.
QStringList& recent_list() {
  static QStringList list = QSettings().value(QStringLiteral("recent")).toStringList();
  return list;
}

}  // namespace

QStringList Session::recent() { return recent_list(); }

void Session::remember(const QString& path) {
  QStringList list = recent();
  list.removeAll(path);
  list.prepend(path);
  while (list.size() > kRecent) list.removeLast();
  recent_list() = list;
  background_pool().start([list] { QSettings().setValue(QStringLiteral("recent"), list); });
}

}  // namespace gigawarp::ui

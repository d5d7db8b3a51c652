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

/// From the folder of the session where it has one.
QString relative_to(const QDir* base, const QString& path) {
  return base != nullptr ? base->relativeFilePath(path) : path;
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
  connect(&workspace_.layers(), &LayerModel::layer_changed, this, &Session::follow_layer);
  connect(&results_, &Results::changed, this, [this] {
    if (results_.state() == Results::State::ready) result_.clear();
  });
  connect(&workspace_, &Workspace::pair_left, this, [this] {
    // Unless they are about to show a pair of their own.
    if (results_.state() == Results::State::none) result_.clear();
  });
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

/// As the session had it that was opened: looks, names and checksum wait for the file. What another
/// file was chosen for in vain goes on to name the first one.
QJsonObject Session::describe_unread(LayerRole role, const QDir* base) const {
  const Pending& pending = pending_.at(static_cast<std::size_t>(role));
  if (pending.waits) {
    QJsonObject json = pending.json;
    for (const char* key : {"path", "names"})
      if (json.contains(QLatin1String(key)))
        json[QLatin1String(key)] = relative_to(base, json[QLatin1String(key)].toString());
    return json;
  }
  QJsonObject json = describe_layer(role, base);
  for (const char* look : {"visible", "opacity", "map", "window"}) json.remove(QLatin1String(look));
  return json;
}

/// What a session that is saved now would name although it could not be read.
QStringList Session::unread_files() const {
  QStringList out;
  for (const LayerRole role : kAllLayerRoles)
    if (const Layer& layer = workspace_.layers().layer(role); layer.state == Layer::State::failed)
      out << QLatin1Char('"') + layer.path + QLatin1Char('"');
  return out;
}

QString Session::result_folder() const {
  const Results::State state = results_.state();
  const bool open = state != Results::State::none && state != Results::State::failed;
  return open ? results_.folder() : result_;
}

QJsonObject Session::describe(const QDir* base) const {
  QJsonObject layers;
  for (const LayerRole role : kAllLayerRoles) {
    const Layer& layer = workspace_.layers().layer(role);
    if (!layer.path.isEmpty())
      layers[QLatin1String(key_of(role))] = layer.state == Layer::State::ready
                                                ? describe_layer(role, base)
                                                : describe_unread(role, base);
  }
  const bool view_waits = pending_[static_cast<std::size_t>(LayerRole::fixed)].waits;
  JobSpec job = jobs_.common();
  job.preset = jobs_.preset().toStdString();
  for (int i = 0; i < jobs_.stage_count(); ++i) job.stages.push_back(jobs_.stage(i));
  QJsonObject json{
      {"gigawarp_session", kVersion},
      {"layers", layers},
      {"view", view_waits && !view_.isEmpty() ? view_ : to_json(workspace_.view())},
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
  if (const QString folder = result_folder(); !folder.isEmpty()) {
    json["result_absolute"] = folder;
    if (base != nullptr) json["result"] = base->relativeFilePath(folder);
  }
  return json;
}

void Session::save(const QString& path) {
  const QDir base = QFileInfo(path).absoluteDir();
  background_pool().start([guard = QPointer<Session>(this), json = describe(&base), path,
                           unread = unread_files(),
                           at = workspace_.undo_stack().index()]() mutable {
    QJsonObject layers = json["layers"].toObject();
    for (const QString& key : layers.keys()) {
      QJsonObject layer = layers[key].toObject();
      // What has not been read keeps that of then: it may not be the same file any more.
      if (!layer.contains("sha256")) layer["sha256"] = checksum(layer["absolute"].toString());
      layers[key] = layer;
    }
    json["layers"] = layers;
    const bool written = write_json(path, json);
    QMetaObject::invokeMethod(
        qApp,
        [guard, path, written, unread, at] {
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
          if (!guard->recovered_.isEmpty()) QFile::remove(std::exchange(guard->recovered_, {}));
          Q_EMIT guard->workspace_.message(
              unread.isEmpty() ? tr("Session saved to %1").arg(path)
                               : tr("Session saved to %1. It goes on to name what could not be "
                                    "read: %2")
                                     .arg(path, unread.join(QStringLiteral(", "))));
          Q_EMIT guard->saved(path);
        },
        Qt::QueuedConnection);
  });
}

void Session::autosave() {
  bool anything = false;
  for (const LayerRole role : kAllLayerRoles)
    anything = anything || !workspace_.layers().layer(role).path.isEmpty() ||
               workspace_.layers().is_ready(role);
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
  if (!restore(autosave)) return;
  // Whoever ends the program now to mount a drive finds it again.
  if (unread_files().isEmpty() && result_folder() == results_.folder())
    QFile::remove(autosave);
  else
    recovered_ = autosave;
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
  pending_ = {};
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
  restore_result(json, base);
  return true;
}

void Session::restore_result(const QJsonObject& json, const QString& base) {
  const QString beside = QDir::cleanPath(QDir(base).absoluteFilePath(json["result"].toString()));
  const bool is_beside = json.contains("result") && QFileInfo::exists(beside);
  result_ = is_beside ? beside : json["result_absolute"].toString();
  if (result_.isEmpty()) return;
  if (QFileInfo::exists(result_)) {
    // The job names its files in full, and the session's may have been moved with it.
    const QJsonObject layers = json["layers"].toObject();
    const bool has_pair = layers.contains(QLatin1String(key_of(LayerRole::fixed))) &&
                          layers.contains(QLatin1String(key_of(LayerRole::moving)));
    return has_pair ? results_.open_for_open_pair(result_) : results_.open(result_);
  }
  Q_EMIT workspace_.message(
      tr("The session's results in \"%1\" are missing; bring the folder back and open the session "
         "again.")
          .arg(result_));
}

/// Beside the session first: the folder may have been moved.
void Session::restore_layer(LayerRole role, const QJsonObject& json, const QString& base) {
  const QString beside = QDir::cleanPath(QDir(base).absoluteFilePath(json["path"].toString()));
  const QString absolute = json["absolute"].toString();
  const QString path = json.contains("path") && QFileInfo::exists(beside) ? beside : absolute;
  const std::optional<QString> names = names_in(json, base);
  Pending& pending = pending_.at(static_cast<std::size_t>(role)) = {true, json, names};
  for (const char* key : {"path", "names"})
    if (json.contains(QLatin1String(key)))
      pending.json[QLatin1String(key)] =
          QDir::cleanPath(QDir(base).absoluteFilePath(json[QLatin1String(key)].toString()));
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
      tr("The session's file \"%1\" is missing; double-click its row to say where it is, or bring "
         "it back and open the session again.")
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

void Session::follow_layer(LayerRole role) {
  if (workspace_.layers().layer(role).state != Layer::State::empty) return finish_layer(role);
  // Closed, unless the next file comes at once: its looks are not those of another that comes
  // later.
  const auto forget = [this, role] {
    if (workspace_.layers().layer(role).state == Layer::State::empty)
      pending_.at(static_cast<std::size_t>(role)) = {};
  };
  QMetaObject::invokeMethod(this, forget, Qt::QueuedConnection);
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
  layer.map = static_cast<render::ColourMap>(
      std::clamp(json["map"].toInt(static_cast<int>(layer.map)), 0, 2));
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

#pragma once
#include <QJsonObject>
#include <QObject>
#include <QTimer>
#include <array>
#include <optional>

#include "ui/models/job_model.h"
#include "ui/models/results.h"
#include "ui/models/workspace.h"

class QDir;

namespace gigawarp::ui {

/// Saves and restores what a person has set up: files, how each is shown, where the views look, the
/// alignment by hand, the job, the folder of results. A session file names its volumes relative to
/// itself and with their checksums, so that a folder can be moved, and a file that is not the one
/// of then is noticed. What could not be read, on a drive that is not mounted, stays in it as it
/// was. Unsaved work is kept in an autosave until the program ends in order.
class Session final : public QObject {
  Q_OBJECT
 public:
  Session(Workspace& workspace, JobModel& jobs, Results& results, QObject* parent = nullptr);
  ~Session() override;  ///< in order: the autosave is removed

  const QString& path() const { return path_; }
  /// Checksums are computed on another thread, then the file appears whole.
  void save(const QString& path);
  /// Begins to restore; files that are missing or not the same are told by the workspace's message
  /// and their layers.
  void open(const QString& path);

  /// Autosaves of programs that did not end in order, newest first.
  static QStringList left_behind();
  /// Restores one of them and removes it; where files are missing, once a session is saved.
  void recover(const QString& autosave);
  /// Writes the autosave now, on another thread, if there is anything to lose.
  void autosave();

  static QStringList recent();
  static void remember(const QString& path);

 Q_SIGNALS:
  void saved(const QString& path);
  void not_saved();  ///< the workspace's message says why

 private:
  QJsonObject describe(const QDir* base) const;
  QJsonObject describe_layer(LayerRole role, const QDir* base) const;
  QJsonObject describe_unread(LayerRole role, const QDir* base) const;
  QStringList unread_files() const;
  QString result_folder() const;
  bool restore(const QString& path);
  void restore_layer(LayerRole role, const QJsonObject& json, const QString& base);
  static std::optional<QString> names_in(const QJsonObject& json, const QString& base);
  void restore_result(const QJsonObject& json, const QString& base);
  void follow_layer(LayerRole role);
  void finish_layer(LayerRole role);

  Workspace& workspace_;
  JobModel& jobs_;
  Results& results_;
  QString path_, autosave_;
  QString recovered_;  ///< the autosave that is still needed
  QString result_;     ///< of the session; it counts while no other results are open
  QTimer timer_;
  struct Pending {
    bool waits = false;
    QJsonObject json;              ///< with absolute paths
    std::optional<QString> names;  ///< that its labels had from a person; empty: none
  };
  std::array<Pending, kLayerRoles> pending_;
  QJsonObject view_;  ///< to be set once the images are there
};

}  // namespace gigawarp::ui

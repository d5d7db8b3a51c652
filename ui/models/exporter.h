#pragma once
#include <QObject>
#include <QProcess>
#include <QStringList>
#include <memory>

#include "ui/models/results.h"

namespace gigawarp::ui {

/// Writes what the views show to files, by the program's own verbs in a child process: the moving
/// image and its labels on the grid of the fixed image ("apply"), and the map itself ("compose").
/// What was done is told as the command that does it again.
class Exporter final : public QObject {
  Q_OBJECT
 public:
  enum class What { image, labels, transform };

  Exporter(Workspace& workspace, const Results& results, QObject* parent = nullptr);
  ~Exporter() override;  ///< ends what is being written; nothing half-written stays

  /// Why it cannot be written now, as a sentence; empty when it can.
  QString obstacle(What what) const;
  /// A name that says what it is, beside the results or the moving image.
  QString suggestion(What what) const;
  /// Begins to write, replacing `path`. One at a time: while one is being written another is
  /// refused in words.
  void write(What what, const QString& path);
  void cancel();
  bool is_busy() const { return process_ != nullptr; }
  const QString& path() const { return path_; }
  /// How much of it is done, 0…1; negative until the verb has told.
  double fraction() const { return fraction_; }
  /// To its end; negative: unknown.
  double eta_s() const { return eta_s_; }

 Q_SIGNALS:
  void changed();  ///< begun or ended
  void progressed();
  void written(const QString& path, const QString& command);
  void failed(const QString& sentence);

 private:
  /// The files of the map, first applied first; written by hand's alignment where need be.
  QStringList transform_files(const QString& path) const;
  Affine shown_matrix() const;
  bool write_matrix(const QString& path);
  QStringList words(What what, const QString& path) const;
  void read_events();
  void end(int exit_code, QProcess::ExitStatus status);

  Workspace& workspace_;
  const Results& results_;
  std::unique_ptr<QProcess> process_;
  QString path_, command_;
  double fraction_ = -1, eta_s_ = -1;
  bool cancelled_ = false;
};

}  // namespace gigawarp::ui

#pragma once
#include <QAbstractTableModel>
#include <QObject>
#include <memory>

#include "gigawarp/job.h"
#include "qc/histograms.h"
#include "qc/report.h"
#include "qc/worst.h"
#include "ui/models/workspace.h"

namespace gigawarp::ui {

/// Everything that was measured about a run, shared with whoever exports it.
struct Judgement {
  std::shared_ptr<const Volume> fixed, moving;
  QString coarse;  ///< sentences where coarse levels of images or warps were measured; or empty
  qc::Assessment assessment;
  std::shared_ptr<const Volume> jacobian, local_ncc;
  std::shared_ptr<const Volume> inverse_error;  ///< mm; null without an inverse
  qc::JacobianHistogram jacobian_histogram;
  std::vector<qc::WorstPlace> worst;
};

/// A map that a run has written, and at every which voxel its warp is held.
struct ReadMap {
  std::shared_ptr<Transform> map;
  int step = 1;
};
/// The map that a run has written, fixed points to moving points, in at most `most_bytes`: see
/// io::read_transform_within(). Throws Error{bad_input}. Threads: any.
ReadMap read_forward(const QString& folder, std::uint64_t most_bytes);
/// The files of that map, first applied first; those of them that are there.
QStringList forward_files(const QString& folder);

/// The folder of a run: its images and transforms are opened in the workspace, then measured on
/// another thread.
class Results final : public QObject {
  Q_OBJECT
 public:
  enum class State { none, reading, measuring, ready, failed };

  explicit Results(Workspace& workspace, QObject* parent = nullptr);

  void open(const QString& folder);
  /// With the images and labels that the workspace has or reads, wherever the run's job says that
  /// they were.
  void open_for_open_pair(const QString& folder);
  void forget();
  State state() const { return state_; }
  const QString& folder() const { return folder_; }
  const QString& problem() const { return problem_; }
  /// The job of the run; null until it has been read.
  const JobSpec* job() const;
  /// Null until ready.
  std::shared_ptr<const Judgement> judgement() const { return judgement_; }
  /// Moves the crosshair to the next place of the list, worst first, round and round. Returns what
  /// is wrong there; empty when there is nothing to go to.
  QString next_worst();

 Q_SIGNALS:
  void changed();

 private:
  struct Files;
  void open(const QString& folder, bool with_pair);
  void take_files(const std::shared_ptr<Files>& files);
  void measure_when_loaded();
  void take_judgement(std::shared_ptr<Judgement> judgement);
  void fail(const QString& sentence);

  Workspace& workspace_;
  State state_ = State::none;
  bool opens_pair_ = true;
  QString folder_, problem_;
  quint64 serial_ = 0;
  std::shared_ptr<Files> files_;
  std::shared_ptr<const Judgement> judgement_;
  std::size_t worst_ = 0;
};

/// Label overlap as a table: label, its name where any label has one, Dice, HD95, voxels.
class OverlapModel final : public QAbstractTableModel {
  Q_OBJECT
 public:
  explicit OverlapModel(QObject* parent = nullptr) : QAbstractTableModel(parent) {}
  void set(const std::optional<qc::OverlapSummary>& overlap, const io::LabelNames& names = {});
  bool has_names() const { return !names_.empty(); }
  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

 private:
  enum Column { label_column, name_column, dice_column, hd95_column, voxels_column };
  /// What stands in a column of the table: without names there is one less.
  Column kind_of(int column) const;

  std::vector<qc::LabelOverlap> rows_;
  io::LabelNames names_;  ///< of labels of the rows
};

/// Landmarks as a table: name, distance before, distance after.
class LandmarkModel final : public QAbstractTableModel {
  Q_OBJECT
 public:
  explicit LandmarkModel(QObject* parent = nullptr) : QAbstractTableModel(parent) {}
  void set(const std::optional<qc::LandmarkErrors>& errors);
  const qc::LandmarkError& row(int index) const { return rows_[static_cast<std::size_t>(index)]; }
  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

 private:
  std::vector<qc::LandmarkError> rows_;
};

/// Name and value of every figure, for panel and report.
std::vector<std::pair<QString, QString>> figures_of(const qc::QcReport& report);

/// A page that needs no other file: figures, tables, worst places and the contact sheet, with what
/// the labels are called. Threads: any.
QByteArray html_report(const Judgement& judgement, const QString& title,
                       const io::LabelNames& names = {});
/// The same on A4 pages. Threads: any, with a QGuiApplication.
QByteArray pdf_report(const Judgement& judgement, const QString& title,
                      const io::LabelNames& names = {});

}  // namespace gigawarp::ui

#pragma once
#include <QAbstractTableModel>
#include <memory>
#include <optional>
#include <vector>

#include "qc/points.h"
#include "ui/models/workspace.h"

namespace gigawarp::ui {

/// The runs that this session has made or opened, oldest first, with their figures; and the
/// comparison of one of them with the one that is shown.
class RunList final : public QAbstractTableModel {
  Q_OBJECT
 public:
  enum Column {
    run_column,
    preset_column,
    similarity_column,
    folds_column,
    dice_column,
    seconds_column,
    column_count
  };
  struct Run {
    QString folder, preset, state;  ///< `state`: in words; empty when it has results
    std::optional<double> similarity, folds_percent, dice, seconds;
  };
  /// How far two runs' warps are apart.
  struct Comparison {
    QString shown, other;  ///< folders
    qc::Distances difference;
  };

  explicit RunList(Workspace& workspace, QObject* parent = nullptr);

  const std::vector<Run>& runs() const { return runs_; }
  /// A run began, goes on or ended without results.
  void note(const QString& folder, const QString& preset, const QString& state);
  /// Results were opened or written: figures are read from their report on another thread.
  void note_results(const QString& folder);
  /// The run whose results the window shows.
  void set_shown(const QString& folder);
  const QString& shown() const { return shown_; }
  /// Reads the warp of a run and lays it beside the one shown: Workspace::show_other_warp looks at
  /// it, and MapChoice::run_difference maps how far they are apart.
  void compare(const QString& folder);
  const std::optional<Comparison>& comparison() const { return comparison_; }

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

 Q_SIGNALS:
  void comparison_changed();

 private:
  Run& run_of(const QString& folder);
  void announce(const QString& folder);
  void forget_comparison();

  Workspace& workspace_;
  std::vector<Run> runs_;
  QString shown_;
  std::optional<Comparison> comparison_;
};

}  // namespace gigawarp::ui

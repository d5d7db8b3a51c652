#pragma once
#include <QFormLayout>
#include <QLabel>
#include <QPushButton>
#include <QTabWidget>
#include <QTableView>
#include <QWidget>

#include "ui/models/results.h"
#include "ui/views/histogram_views.h"

namespace gigawarp::ui {

/// What was measured about a run, the places to look at first, and the exports.
class ResultsPanel final : public QWidget {
  Q_OBJECT
 public:
  ResultsPanel(Workspace& workspace, Results& results, QWidget* parent = nullptr);
  void next_worst();
  /// Asks for a file and writes the report there on another thread.
  void export_report();
  void write_report(const QString& path);

 Q_SIGNALS:
  void report_written(const QString& path);

 private:
  QTableView* make_table(QAbstractItemModel* model, const char* name, const QString& title);
  void show_results();
  void show_overlap();

  Workspace& workspace_;
  Results& results_;
  OverlapModel overlap_;
  QTableView* overlap_table_;
  /// The names of the fixed and the moving label map as last seen.
  std::array<std::shared_ptr<const io::LabelNames>, 2> named_by_;
  LandmarkModel landmarks_;
  QLabel *state_, *worst_text_;
  QWidget* figures_;
  QFormLayout* figure_rows_;
  QPushButton *worst_, *report_;
  QTabWidget* tables_;
  JacobianHistogramView* jacobian_;
};

}  // namespace gigawarp::ui

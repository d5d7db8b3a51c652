#pragma once
#include <QLabel>
#include <QPushButton>
#include <QTableView>
#include <QWidget>

#include "ui/models/run_list.h"

namespace gigawarp::ui {

/// The runs of the session: show one, compare another with it, look at both in turn.
class RunsPanel final : public QWidget {
  Q_OBJECT
 public:
  RunsPanel(Workspace& workspace, RunList& runs, QWidget* parent = nullptr);
  void compare();
  void flip();
  void choose(int row) { table_->setCurrentIndex(runs_.index(row, 0)); }

 Q_SIGNALS:
  void show_wanted(const QString& folder);

 private:
  void follow();
  QString chosen() const;

  Workspace& workspace_;
  RunList& runs_;
  QLabel *help_, *difference_;
  QTableView* table_;
  QPushButton *show_, *compare_, *flip_;
};

}  // namespace gigawarp::ui

#pragma once
#include <QLabel>
#include <QPlainTextEdit>
#include <QProgressBar>
#include <QPushButton>
#include <QWidget>

#include "ui/models/run_controller.h"
#include "ui/views/histogram_views.h"
#include "ui/views/loss_curve.h"

namespace gigawarp::ui {

/// "1:05", "2:03:00".
QString duration_text(double seconds);

/// The run: how far, how long to go, what it says; pause, cancel, and go on after an end that was
/// none.
class RunPanel final : public QWidget {
  Q_OBJECT
 public:
  RunPanel(RunController& run, JointModel& joint, QWidget* parent = nullptr);

  /// One more line of the log.
  void log(const QString& line) { log_->appendPlainText(line); }

 private:
  void show_state();
  void show_progress();

  RunController& run_;
  QLabel *state_, *numbers_;
  QProgressBar* bar_;
  QPushButton *pause_, *cancel_, *resume_;
  LossCurveView* curve_;
  QPlainTextEdit* log_;
};

}  // namespace gigawarp::ui

#pragma once
#include <QObject>
#include <QStringList>
#include <QTimer>

#include "gigawarp/job.h"

namespace gigawarp::ui {

/// What a run would need and whether it fits, asked of the program's "plan" a moment after the job
/// last changed; the window's own process never talks to a GPU.
class PlanModel final : public QObject {
  Q_OBJECT
 public:
  explicit PlanModel(QObject* parent = nullptr);

  /// Asks for the plan of a job; the newest wins.
  void ask(const JobSpec& job);
  /// One line each: device, memory, disk, time. Empty before the first plan.
  const QStringList& lines() const { return lines_; }
  /// Why the job cannot run; empty when it can.
  const QString& problem() const { return problem_; }
  bool is_ready() const { return asked_ == answered_; }
  /// Devices that can run jobs, first "auto"; asked once, of the program's "devices".
  const QStringList& devices() const { return devices_; }

 Q_SIGNALS:
  void changed();
  void devices_found();

 private:
  void compute();

  JobSpec job_;
  QTimer delay_;
  QStringList lines_, devices_{QStringLiteral("auto"), QStringLiteral("cpu")};
  QString problem_;
  quint64 asked_ = 0, answered_ = 0;
};

}  // namespace gigawarp::ui

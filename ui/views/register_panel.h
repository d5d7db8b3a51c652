#pragma once
#include <QCheckBox>
#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QWidget>

#include "ui/models/job_model.h"
#include "ui/models/plan_model.h"
#include "ui/models/run_controller.h"
#include "ui/models/workspace.h"

namespace gigawarp::ui {

/// The job of the next run: preset, stages, start, masks, device and folder; what it will need; and
/// the button that starts it.
class RegisterPanel final : public QWidget {
  Q_OBJECT
 public:
  RegisterPanel(Workspace& workspace, JobModel& jobs, RunController& run,
                QWidget* parent = nullptr);

  /// The job as it would run now.
  JobSpec job() const;
  void start();

 Q_SIGNALS:
  /// Something was done with the job by hand, for the log.
  void said(const QString& line);
  void can_start(bool can);

 private:
  QWidget* make_job_rows();
  QWidget* make_buttons();
  void follow();
  void show_plan();
  void store();
  void load_job();
  void save_job();
  void copy_command();
  void write_inputs(const JobSpec& spec) const;
  void launch(const JobSpec& spec, bool overwrite);
  bool passes_gate();
  QString suggested_folder() const;

  Workspace& workspace_;
  JobModel& jobs_;
  RunController& run_;
  PlanModel plan_;
  QComboBox *preset_, *start_from_, *device_;
  QCheckBox *fixed_nonzero_, *moving_nonzero_, *inverse_;
  QLineEdit* folder_;
  QLabel *preset_state_, *gate_, *plan_text_;
  QPushButton* start_;
  bool updating_ = false;
  QString accepted_doubts_;
};

}  // namespace gigawarp::ui

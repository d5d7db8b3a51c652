#pragma once
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QFormLayout>
#include <QSpinBox>
#include <QTableView>
#include <QWidget>

#include "ui/models/job_model.h"

namespace gigawarp::ui {

/// The table of stages and the settings of the chosen one, each with its unit and a line of help.
class StageEditor final : public QWidget {
  Q_OBJECT
 public:
  explicit StageEditor(JobModel& jobs, QWidget* parent = nullptr);

 private:
  void show_stage();
  void store();
  QDoubleSpinBox* number(const QString& title, const QString& help, double low, double high,
                         double step, const QString& unit);

  JobModel& jobs_;
  QTableView* table_;
  QFormLayout* form_;
  QComboBox *kind_, *metric_;
  QSpinBox *radius_, *bins_;
  QDoubleSpinBox *rate_, *sigma_gradient_, *sigma_warp_, *minimum_jacobian_;
  bool updating_ = false;
};

}  // namespace gigawarp::ui

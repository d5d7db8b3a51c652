#pragma once
#include <QWidget>
#include <optional>

#include "ui/models/joint_model.h"

namespace gigawarp::ui {

/// How det J is distributed, with the number of folds.
class JacobianHistogramView final : public QWidget {
  Q_OBJECT
 public:
  explicit JacobianHistogramView(QWidget* parent = nullptr);
  void show_histogram(const std::optional<qc::JacobianHistogram>& histogram);
  QSize sizeHint() const override { return {300, 170}; }

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  std::optional<qc::JacobianHistogram> histogram_;
};

/// What intensities of the fixed and the warped moving image meet, as the warp is now.
class JointHistogramView final : public QWidget {
  Q_OBJECT
 public:
  explicit JointHistogramView(JointModel& model, QWidget* parent = nullptr);
  QSize sizeHint() const override { return {170, 170}; }

 protected:
  void paintEvent(QPaintEvent* event) override;
  void showEvent(QShowEvent* event) override;
  void hideEvent(QHideEvent* event) override;

 private:
  JointModel& model_;
};

}  // namespace gigawarp::ui

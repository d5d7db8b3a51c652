#pragma once
#include <QWidget>

#include "ui/models/run_controller.h"

namespace gigawarp::ui {

/// The losses of a run over its iterations, one stretch per level, each scaled to its own range
/// since levels measure on different grids.
class LossCurveView final : public QWidget {
  Q_OBJECT
 public:
  explicit LossCurveView(QWidget* parent = nullptr);
  void show_curves(const std::vector<LossCurve>& curves);
  const std::vector<LossCurve>& curves() const { return curves_; }
  QSize sizeHint() const override { return {420, 150}; }

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  std::vector<LossCurve> curves_;
};

}  // namespace gigawarp::ui

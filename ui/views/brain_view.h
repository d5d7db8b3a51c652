#pragma once
#include <QImage>
#include <QWidget>

#include "render/render_queue.h"
#include "render/surface_cast.h"
#include "ui/models/workspace.h"

namespace gigawarp::ui {

/// The fixed image in 3-D, with the corner towards the viewer cut away at the crosshair. Drag turns
/// it, the wheel zooms, a double click looks from the front again.
class BrainView final : public QWidget {
  Q_OBJECT
 public:
  BrainView(Workspace& workspace, render::RenderQueue& queue, QWidget* parent = nullptr);
  ~BrainView() override;
  const QImage& picture() const { return picture_; }

 protected:
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void showEvent(QShowEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mouseReleaseEvent(QMouseEvent* event) override;
  void mouseDoubleClickEvent(QMouseEvent* event) override;
  void wheelEvent(QWheelEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

 private:
  void ask();
  void turn(double yaw, double pitch);
  void draw_letters(QPainter& painter) const;

  Workspace& workspace_;
  render::RenderQueue& queue_;
  render::CastView view_;
  QImage picture_;
  QPointF last_;
  bool dragging_ = false;
};

}  // namespace gigawarp::ui

#pragma once
#include <QImage>
#include <QTimer>
#include <QToolButton>
#include <QWidget>

#include "render/render_queue.h"
#include "render/renderer_3d.h"
#include "ui/models/surfaces_model.h"
#include "ui/models/workspace.h"
#include "ui/views/actions.h"
#include "ui/views/brain_decorations.h"

namespace gigawarp::ui {

/// The fixed image in 3-D: its surface, cut away towards the viewer at the crosshair, or its
/// volume; with the slices of the other views as cut planes, surfaces of the labels, deformation
/// grid and landmarks. VTK draws it on a thread of its own; without OpenGL 3.2 the processor casts
/// rays at the volume alone, and the view says so.
class BrainView final : public QWidget {
  Q_OBJECT
 public:
  BrainView(Workspace& workspace, const Actions& actions, QWidget* parent = nullptr);
  ~BrainView() override;
  const QImage& picture() const { return picture_; }
  /// Why the processor draws; empty when VTK does or nothing has been drawn yet.
  const QString& problem() const { return problem_; }
  /// True when the picture is the newest that was asked for and no surface is being made.
  bool is_current() const;
  /// What is written over the picture now, and where.
  BrainDecorations decorations() const;
  BrainLayout layout_of(const BrainDecorations& decorations) const;
  /// What a tooltip at a place of the view says.
  QString text_at(const QPoint& place) const;
  /// From the front, all of it.
  void reset();

 protected:
  bool event(QEvent* event) override;
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void showEvent(QShowEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mouseReleaseEvent(QMouseEvent* event) override;
  void mouseDoubleClickEvent(QMouseEvent* event) override;
  void wheelEvent(QWheelEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  void contextMenuEvent(QContextMenuEvent* event) override;

 private:
  void look_elsewhere();
  void slices_changed();
  void surfaces_changed();
  void ask();
  void take(quint64 serial, const QImage& picture, const QString& problem, double ms);
  render::Scene3d scene_3d() const;
  std::shared_ptr<const io::LabelNames> label_names() const;
  std::vector<LegendEntry> legend() const;
  render::CastView framed() const;
  void place_button();
  int coarseness() const;
  void turn(double yaw, double pitch);
  void pan(double right_pixels, double down_pixels);
  void zoom(double factor);

  Workspace& workspace_;
  SurfacesModel surfaces_;
  /// Shared with the drawing thread, which alone uses it.
  std::shared_ptr<render::Renderer3d> renderer_ = std::make_shared<render::Renderer3d>();
  render::CastView view_;
  std::uint64_t slices_revision_ = 1;
  quint64 asked_ = 0, shown_ = 0;  ///< numbers of the newest request and of the picture
  QImage picture_;
  QString problem_;
  double frame_ms_ = 0;  ///< of a whole picture
  bool has_drawn_ = false;
  QTimer preview_rest_;  ///< while a run previews, between two pictures
  QPointF last_;
  bool dragging_ = false;
  QToolButton* menu_button_;
  render::RenderQueue queue_;  ///< last: its thread ends first
};

}  // namespace gigawarp::ui

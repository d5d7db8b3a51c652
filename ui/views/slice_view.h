#pragma once
#include <QImage>
#include <QTimer>
#include <QWidget>

#include "render/render_queue.h"
#include "render/view_geometry.h"
#include "ui/models/workspace.h"

namespace gigawarp::ui {

/// One plane of the workspace: draws the newest picture it has and asks the render queue for a
/// better one; mouse and wheel move the linked view. Left: crosshair (or the swipe edge, or the
/// alignment); right or shift+left: window; middle or ctrl+left: pan; wheel: slices; ctrl+wheel:
/// zoom.
class SliceView final : public QWidget {
  Q_OBJECT
 public:
  SliceView(Workspace& workspace, render::RenderQueue& queue, QWidget* parent = nullptr);
  ~SliceView() override;

  render::Plane plane() const { return plane_; }
  render::Content content() const { return content_; }
  void show_content(render::Plane plane, render::Content content);
  /// Millimetres per logical pixel at zoom 1; the grid of views sets one for all.
  void set_base_pixel_mm(double pixel_mm);
  /// Left drag moves and rotates the moving image instead of the crosshair.
  void set_aligning(bool aligning);

  /// The slice as it would be drawn now, in logical pixels.
  render::SliceGeometry geometry() const;
  /// Last picture drawn by the queue, in device pixels; null before the first.
  const QImage& picture() const { return picture_; }
  /// True when the picture on screen is what was last asked for.
  bool is_current() const { return wanted_ == shown_; }
  /// The picture on screen is coarser than it will be: bricks of streamed images are on their way.
  bool lacks_bricks() const { return refining_; }
  bool is_refined() const { return is_current() && !refining_; }
  /// Level that streamed images are drawn from once refined; 0 is the finest.
  int level() const { return level_; }

 Q_SIGNALS:
  void hovered(const gigawarp::Vec3& world_mm);
  void left();  ///< the pointer
  void picture_shown();

 protected:
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void showEvent(QShowEvent* event) override;
  void hideEvent(QHideEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mouseReleaseEvent(QMouseEvent* event) override;
  void wheelEvent(QWheelEvent* event) override;
  void leaveEvent(QEvent* event) override;

 private:
  enum class Drag { none, cursor, pan, window, swipe, move, rotate, turn };
  Drag drag_for(const QMouseEvent& event) const;
  void ask();
  void accept(QImage picture, const render::SliceGeometry& geometry, quint64 serial,
              const render::Streaming& streaming);
  void brick_arrived();
  int scroll_side(const render::SliceGeometry& next) const;
  Vec3 world_at(const QPointF& position) const;
  void drag_window(const QPoint& delta);
  void drag_alignment(const QPointF& from, const QPointF& to);
  void drag_planes(const QPointF& from, const QPointF& to);
  /// About the crosshair, from one place of the pointer to another, radians clockwise.
  double angle_between(const QPointF& from, const QPointF& to) const;
  QString accessible_text() const;
  QString streaming_text() const;

  Workspace& workspace_;
  render::RenderQueue& queue_;
  render::Plane plane_ = render::Plane::axial;
  render::Content content_ = render::Content::compare;
  double base_pixel_mm_ = 1;
  bool aligning_ = false;
  QImage picture_;
  render::SliceGeometry picture_geometry_;
  quint64 wanted_ = 0, shown_ = 0;
  bool refining_ = false, limited_ = false;
  int level_ = 0;
  QTimer refine_;  ///< gathers bricks that arrive, so that each does not cost a picture
  Drag drag_ = Drag::none;
  QPointF last_;
  int wheel_rest_ = 0;
};

}  // namespace gigawarp::ui

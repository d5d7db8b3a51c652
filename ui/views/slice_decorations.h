#pragma once
#include <QPainter>
#include <array>
#include <vector>

#include "render/view_geometry.h"
#include "ui/models/workspace.h"

namespace gigawarp::ui {

/// What is drawn over the picture of a slice. Sizes are logical pixels.
struct Decorations {
  render::SliceGeometry geometry;
  QString title;  ///< what is shown
  bool swipe = false, aligning = false;
};

/// Legible on bright and dark pictures.
void outlined(QPainter& painter, const QRectF& box, int flags, const QString& text,
              const QColor& colour);

/// Crosshair, orientation letters, scale bar, title and position, landmarks, swipe edge, alignment
/// handles.
void draw_decorations(QPainter& painter, const Decorations& decorations, const Workspace& workspace,
                      render::Content content);

/// Where the lines of the other two planes can be taken hold of to turn them; four points, logical
/// pixels.
std::array<QPointF, 4> plane_handles(const render::SliceGeometry& geometry,
                                     const Workspace& workspace);

/// A length of 1, 2 or 5 times a power of ten that is at most `longest_mm`.
double scale_bar_mm(double longest_mm);
/// Radius of the ring that rotates the moving image, logical pixels.
double handle_radius(const QSize& size);

}  // namespace gigawarp::ui

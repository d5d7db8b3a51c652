#pragma once
#include <QProxyStyle>

namespace gigawarp::ui {

/// Qt's Fusion with outlines that can be seen: it draws the frames of check boxes, fields and
/// buttons darker than the window, which in a dark window is next to nothing. Here they have three
/// times the window's luminance or a third of it (WCAG 2.1, 1.4.11), a tick is drawn on the
/// highlight colour, and the focus has a frame two pixels wide.
class Style final : public QProxyStyle {
  Q_OBJECT
 public:
  Style();
  void drawPrimitive(PrimitiveElement element, const QStyleOption* option, QPainter* painter,
                     const QWidget* widget) const override;
  void drawComplexControl(ComplexControl control, const QStyleOptionComplex* option,
                          QPainter* painter, const QWidget* widget) const override;
};

/// Contrast of two colours, 1 to 21 (WCAG 2.1).
double contrast(const QColor& a, const QColor& b);

/// The colour of outlines on a window of these colours.
QColor outline_colour(const QPalette& palette);

}  // namespace gigawarp::ui

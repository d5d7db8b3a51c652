#include "ui/views/style.h"

#include <QPainter>
#include <QStyleOption>
#include <algorithm>
#include <cmath>

namespace gigawarp::ui {
namespace {

constexpr double kLeastContrast = 3.2;  // a little above the norm's 3
constexpr double kCorner = 2;

double luminance(const QColor& colour) {
  const auto linear = [](double part) {
    return part <= 0.04045 ? part / 12.92 : std::pow((part + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(colour.redF()) + 0.7152 * linear(colour.greenF()) +
         0.0722 * linear(colour.blueF());
}

void draw_frame(QPainter& painter, const QRectF& rect, const QColor& colour, double width) {
  painter.save();
  painter.setRenderHint(QPainter::Antialiasing);
  painter.setPen(QPen(colour, width));
  painter.setBrush(Qt::NoBrush);
  const double inset = 0.5 * width;
  painter.drawRoundedRect(rect.adjusted(inset, inset, -inset, -inset), kCorner, kCorner);
  painter.restore();
}

/// The frame of a field or button; of the one with the focus in the highlight's colour.
void draw_outline(QPainter& painter, const QStyleOption& option, const QRect& rect) {
  const bool focused = (option.state & QStyle::State_HasFocus) != 0;
  const bool enabled = (option.state & QStyle::State_Enabled) != 0;
  QColor colour = outline_colour(option.palette);
  if (!enabled) colour.setAlpha(110);
  if (focused) colour = option.palette.color(QPalette::Link);
  draw_frame(painter, rect, colour, focused ? 2 : 1);
}

/// A square that is filled with the highlight and ticked, struck through or empty.
void draw_check_box(QPainter& painter, const QStyleOption& option) {
  const double side = std::min({option.rect.width(), option.rect.height(), 16}) - 1.0;
  const QRectF box(option.rect.x() + 0.5 * (option.rect.width() - side),
                   option.rect.y() + 0.5 * (option.rect.height() - side), side, side);
  const bool on = (option.state & QStyle::State_On) != 0;
  const bool partly = (option.state & QStyle::State_NoChange) != 0;
  const bool enabled = (option.state & QStyle::State_Enabled) != 0;
  const bool selected = (option.state & QStyle::State_Selected) != 0;
  const QPalette& p = option.palette;
  painter.save();
  painter.setRenderHint(QPainter::Antialiasing);
  if (!enabled) painter.setOpacity(0.5);
  // On a selected row the highlight is the ground, so the box is white there.
  const QColor fill = on || partly
                          ? p.color(selected ? QPalette::HighlightedText : QPalette::Highlight)
                          : p.color(QPalette::Base);
  const QColor mark = p.color(selected ? QPalette::Highlight : QPalette::HighlightedText);
  painter.setBrush(fill);
  painter.setPen(QPen(selected ? p.color(QPalette::HighlightedText) : outline_colour(p), 1.2));
  painter.drawRoundedRect(box, kCorner, kCorner);
  painter.setPen(QPen(mark, 0.14 * side, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
  const auto at = [&](double x, double y) {
    return QPointF(box.x() + x * side, box.y() + y * side);
  };
  if (partly)
    painter.drawLine(at(0.25, 0.5), at(0.75, 0.5));
  else if (on)
    painter.drawPolyline(QPolygonF{at(0.22, 0.53), at(0.42, 0.73), at(0.78, 0.29)});
  painter.restore();
}

}  // namespace

double contrast(const QColor& a, const QColor& b) {
  const double x = luminance(a) + 0.05, y = luminance(b) + 0.05;
  return std::max(x, y) / std::min(x, y);
}

QColor outline_colour(const QPalette& palette) {
  const QColor window = palette.color(QPalette::Window), text = palette.color(QPalette::WindowText);
  for (double share = 0.2; share < 1; share += 0.02) {
    const auto mix = [share](int from, int to) {
      return static_cast<int>(std::lround(from + share * (to - from)));
    };
    const QColor colour(mix(window.red(), text.red()), mix(window.green(), text.green()),
                        mix(window.blue(), text.blue()));
    if (contrast(colour, window) >= kLeastContrast) return colour;
  }
  return text;
}

Style::Style() : QProxyStyle(QStringLiteral("fusion")) {}

void Style::drawPrimitive(PrimitiveElement element, const QStyleOption* option, QPainter* painter,
                          const QWidget* widget) const {
  switch (element) {
    case PE_IndicatorCheckBox:
    case PE_IndicatorItemViewItemCheck: return draw_check_box(*painter, *option);
    case PE_FrameLineEdit:
    case PE_PanelButtonCommand:
      QProxyStyle::drawPrimitive(element, option, painter, widget);
      return draw_outline(*painter, *option, option->rect);
    case PE_FrameFocusRect:
      // Fusion's is a pale shade of the highlight, one pixel wide.
      return draw_frame(*painter, option->rect, option->palette.color(QPalette::Link), 2);
    default: QProxyStyle::drawPrimitive(element, option, painter, widget);
  }
}

void Style::drawComplexControl(ComplexControl control, const QStyleOptionComplex* option,
                               QPainter* painter, const QWidget* widget) const {
  QProxyStyle::drawComplexControl(control, option, painter, widget);
  if (control == CC_ComboBox || control == CC_SpinBox)
    draw_outline(*painter, *option, option->rect);
}

}  // namespace gigawarp::ui

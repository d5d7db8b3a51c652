#include "ui/views/slice_decorations.h"

#include <QCoreApplication>
#include <algorithm>
#include <cmath>

namespace gigawarp::ui {
namespace {

constexpr QColor kText(235, 235, 235), kCross(120, 220, 205, 170), kSide(255, 214, 102);
constexpr double kLandmarkReachSlices = 2.5;

QString tr(const char* text) { return QCoreApplication::translate("SliceView", text); }

/// Legible on bright and dark pictures.
void outlined(QPainter& painter, const QRectF& box, int flags, const QString& text,
              const QColor& colour) {
  painter.setPen(QColor(0, 0, 0, 190));
  for (const QPointF& shift : {QPointF(1, 1), QPointF(-1, 1), QPointF(1, -1), QPointF(-1, -1)})
    painter.drawText(box.translated(shift), flags, text);
  painter.setPen(colour);
  painter.drawText(box, flags, text);
}

void draw_crosshair(QPainter& painter, const Decorations& d, const Workspace& workspace) {
  const auto at = render::pixel_of(d.geometry, workspace.view().cursor_mm);
  const double x = at.column + 0.5, y = at.row + 0.5;
  constexpr double kGap = 7;
  painter.setPen(QPen(kCross, 1));
  painter.drawLine(QPointF(x, 0), QPointF(x, y - kGap));
  painter.drawLine(QPointF(x, y + kGap), QPointF(x, d.geometry.height));
  painter.drawLine(QPointF(0, y), QPointF(x - kGap, y));
  painter.drawLine(QPointF(x + kGap, y), QPointF(d.geometry.width, y));
}

void draw_letters(QPainter& painter, const Decorations& d) {
  const std::string letters = d.geometry.edge_letters();
  const QRectF all = QRectF(0, 0, d.geometry.width, d.geometry.height).adjusted(8, 6, -8, -6);
  QFont font = painter.font();
  font.setBold(true);
  font.setPixelSize(16);
  painter.setFont(font);
  constexpr int kPlaces[4] = {Qt::AlignLeft | Qt::AlignVCenter, Qt::AlignRight | Qt::AlignVCenter,
                              Qt::AlignHCenter | Qt::AlignTop, Qt::AlignHCenter | Qt::AlignBottom};
  for (int i = 0; i < 4; ++i)
    outlined(painter, all, kPlaces[i], QString(QLatin1Char(letters[static_cast<std::size_t>(i)])),
             kSide);
}

void draw_scale_bar(QPainter& painter, const Decorations& d) {
  const double mm = scale_bar_mm(0.3 * d.geometry.width * d.geometry.pixel_mm);
  const double pixels = mm / d.geometry.pixel_mm;
  const double right = d.geometry.width - 12.0, y = d.geometry.height - 14.0;
  painter.fillRect(QRectF(right - pixels - 1, y - 1, pixels + 2, 5), QColor(0, 0, 0, 190));
  painter.fillRect(QRectF(right - pixels, y, pixels, 3), kText);
  QFont font = painter.font();
  font.setBold(false);
  font.setPixelSize(12);
  painter.setFont(font);
  const QString text =
      mm >= 0.1 ? QStringLiteral("%1 mm").arg(mm) : QStringLiteral("%1 µm").arg(1000 * mm);
  outlined(painter, QRectF(right - std::max(pixels, 80.0), y - 20, std::max(pixels, 80.0), 18),
           Qt::AlignRight | Qt::AlignBottom, text, kText);
}

void draw_title(QPainter& painter, const Decorations& d) {
  QFont font = painter.font();
  font.setPixelSize(12);
  painter.setFont(font);
  const QRectF line(8, 6, d.geometry.width - 16.0, 18);
  const bool wide = d.geometry.width > 330;
  const QString place = QString::fromStdString(d.geometry.position_text());
  outlined(painter, line, Qt::AlignLeft | Qt::AlignTop,
           painter.fontMetrics().elidedText(d.title, Qt::ElideRight,
                                            d.geometry.width / 2 - (wide ? 30 : 16)),
           kText);
  outlined(painter, line, Qt::AlignRight | Qt::AlignTop, place, kText);
}

/// Landmarks within a few slices, drawn where the eye looks for them: fixed ones as circles, moving
/// ones (brought into fixed space by the alignment alone they cannot be) as crosses.
void draw_landmarks(QPainter& painter, const Decorations& d, const Workspace& workspace,
                    LayerRole role) {
  const Layer& layer = workspace.layers().layer(role);
  if (layer.state != Layer::State::ready || !layer.visible) return;
  const Grid* grid = workspace.reference();
  if (grid == nullptr) return;
  const auto directions = render::plane_directions(*grid, d.geometry.plane, false);
  QFont font = painter.font();
  font.setPixelSize(11);
  painter.setFont(font);
  for (const io::Landmark& mark : layer.landmarks) {
    double off = 0;
    for (int a = 0; a < 3; ++a)
      off += (mark.position_mm[a] - d.geometry.origin_mm[a]) * directions.normal[a];
    if (std::abs(off) > kLandmarkReachSlices * directions.normal_spacing_mm) continue;
    const auto at = render::pixel_of(d.geometry, mark.position_mm);
    const QPointF centre(at.column + 0.5, at.row + 0.5);
    const QColor colour(role == LayerRole::fixed_landmarks ? render::kFixedColour
                                                           : QRgb(qRgb(90, 180, 255)));
    painter.setPen(QPen(colour, 1.6));
    painter.setBrush(Qt::NoBrush);
    if (role == LayerRole::fixed_landmarks) {
      painter.drawEllipse(centre, 5, 5);
    } else {
      painter.drawLine(centre - QPointF(5, 5), centre + QPointF(5, 5));
      painter.drawLine(centre - QPointF(5, -5), centre + QPointF(5, -5));
    }
    outlined(painter, QRectF(centre + QPointF(7, -8), QSizeF(160, 16)),
             Qt::AlignLeft | Qt::AlignVCenter, QString::fromStdString(mark.name), colour);
  }
}

void draw_handles(QPainter& painter, const Decorations& d) {
  const QPointF centre(0.5 * d.geometry.width, 0.5 * d.geometry.height);
  const double radius = handle_radius(QSize(d.geometry.width, d.geometry.height));
  painter.setBrush(Qt::NoBrush);
  painter.setPen(QPen(QColor(0, 0, 0, 160), 4));
  painter.drawEllipse(centre, radius, radius);
  painter.setPen(QPen(kSide, 2, Qt::DashLine));
  painter.drawEllipse(centre, radius, radius);
  QFont font = painter.font();
  font.setPixelSize(12);
  painter.setFont(font);
  outlined(painter, QRectF(0, d.geometry.height - 46.0, d.geometry.width, 18), Qt::AlignHCenter,
           tr("drag inside the ring: move, outside: rotate"), kSide);
}

}  // namespace

double handle_radius(const QSize& size) { return 0.36 * std::min(size.width(), size.height()); }

double scale_bar_mm(double longest_mm) {
  if (!(longest_mm > 0)) return 1;
  const double power = std::pow(10.0, std::floor(std::log10(longest_mm)));
  for (const double step : {5.0, 2.0})
    if (step * power <= longest_mm) return step * power;
  return power;
}

void draw_decorations(QPainter& painter, const Decorations& d, const Workspace& workspace,
                      render::Content content) {
  painter.setRenderHint(QPainter::Antialiasing, false);
  draw_crosshair(painter, d, workspace);
  painter.setRenderHint(QPainter::Antialiasing, true);
  if (d.swipe) {
    const double x = workspace.display().swipe * d.geometry.width;
    painter.setPen(QPen(kSide, 1.5));
    painter.drawLine(QPointF(x, 0), QPointF(x, d.geometry.height));
    painter.setBrush(kSide);
    painter.drawEllipse(QPointF(x, 0.5 * d.geometry.height), 5, 5);
  }
  if (workspace.display().landmarks) {
    if (content != render::Content::moving)
      draw_landmarks(painter, d, workspace, LayerRole::fixed_landmarks);
    if (content == render::Content::moving ||
        (content == render::Content::compare && workspace.warp_source() == WarpSource::header))
      draw_landmarks(painter, d, workspace, LayerRole::moving_landmarks);
  }
  if (d.aligning) draw_handles(painter, d);
  draw_letters(painter, d);
  draw_scale_bar(painter, d);
  draw_title(painter, d);
}

}  // namespace gigawarp::ui

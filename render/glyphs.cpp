#include "render/glyphs.h"

#include <QPainter>
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "render/warped_slice.h"

namespace gigawarp::render {
namespace {

/// An arrow much shorter than this is a point.
constexpr double kShortest = 1.5;
constexpr QColor kArrow(255, 214, 102), kOutline(0, 0, 0, 170);

void draw_arrow(QPainter& painter, const QPointF& from, const QPointF& along) {
  const double length = std::hypot(along.x(), along.y());
  const QPointF to = from + along;
  const QPointF unit = along / length, side(-unit.y(), unit.x());
  const double head = std::clamp(0.35 * length, 2.5, 7.0);
  const std::array<QPointF, 3> tip{to, to - head * unit + 0.5 * head * side,
                                   to - head * unit - 0.5 * head * side};
  for (const auto& [colour, width] : {std::pair{kOutline, 3.2}, std::pair{kArrow, 1.4}}) {
    painter.setPen(QPen(colour, width, Qt::SolidLine, Qt::RoundCap));
    painter.setBrush(colour);
    painter.drawLine(from, to - 0.6 * head * unit);
    painter.setPen(QPen(colour, width - 1, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
    painter.drawPolygon(tip.data(), static_cast<int>(tip.size()));
  }
}

/// 1, 2, 5, 10, … so that nearly all arrows end before the next one begins.
double round_factor(std::vector<double> lengths, double spacing) {
  if (lengths.empty()) return 1;
  const auto p95 =
      lengths.begin() + static_cast<std::ptrdiff_t>(0.95 * static_cast<double>(lengths.size() - 1));
  std::nth_element(lengths.begin(), p95, lengths.end());
  double factor = 1;
  for (const double next : {2.0, 5.0, 10.0, 20.0, 50.0, 100.0})
    if (*p95 * next <= 1.3 * spacing) factor = next;
  return *p95 > 0 ? factor : 1;
}

/// A round length in mm whose arrow is about as long as the distance between arrows.
void draw_scale(QPainter& painter, const SliceGeometry& g, double factor, double spacing) {
  const double wanted = spacing * g.pixel_mm / factor;
  const double power = std::pow(10.0, std::floor(std::log10(wanted)));
  double mm = power;
  for (const double step : {2.0, 5.0})
    if (step * power <= wanted * 1.01) mm = step * power;
  const double pixels = mm / g.pixel_mm * factor;
  const QPointF from(14, g.height - 14.0);
  draw_arrow(painter, from, {pixels, 0});
  QFont font = painter.font();
  font.setPixelSize(12);
  painter.setFont(font);
  const QRectF box(from + QPointF(pixels + 7, -9), QSizeF(90, 18));
  const QString text =
      mm >= 0.1 ? QStringLiteral("%1 mm").arg(mm) : QStringLiteral("%1 µm").arg(1000 * mm);
  painter.setPen(kOutline);
  painter.drawText(box.translated(1, 1), Qt::AlignLeft | Qt::AlignVCenter, text);
  painter.setPen(kArrow);
  painter.drawText(box, Qt::AlignLeft | Qt::AlignVCenter, text);
}

}  // namespace

void draw_glyphs(QImage& picture, const Transform& warp, const SliceGeometry& g, int spacing,
                 const std::stop_token& stop) {
  SliceGeometry coarse = g;
  coarse.width = g.width / spacing;
  coarse.height = g.height / spacing;
  if (coarse.width < 1 || coarse.height < 1) return;
  const double offset = 0.5 * spacing;
  coarse.origin_mm = g.at(offset, offset);
  Vec3 right{}, down{};
  for (std::size_t a = 0; a < 3; ++a) {
    coarse.right_mm[a] *= spacing;
    coarse.down_mm[a] *= spacing;
    right[a] = g.right_mm[a] / g.pixel_mm;
    down[a] = g.down_mm[a] / g.pixel_mm;
  }
  coarse.pixel_mm *= spacing;
  const SliceImage u = sample_displacement_component(warp, coarse, right, true, stop);
  const SliceImage v = sample_displacement_component(warp, coarse, down, true, stop);
  std::vector<double> lengths;
  for (std::size_t i = 0; i < u.values.size(); ++i)
    if (const double mm = std::hypot(u.values[i], v.values[i]); std::isfinite(mm) && mm > 0)
      lengths.push_back(mm / g.pixel_mm);
  if (lengths.empty() || stop.stop_requested()) return;
  const double factor = round_factor(std::move(lengths), spacing);
  QPainter painter(&picture);
  painter.setRenderHint(QPainter::Antialiasing);
  for (int r = 0; r < coarse.height; ++r)
    for (int c = 0; c < coarse.width; ++c) {
      const QPointF along = QPointF(u.at(c, r), v.at(c, r)) * factor / g.pixel_mm;
      if (!(std::hypot(along.x(), along.y()) > kShortest)) continue;  // also NaN
      draw_arrow(painter, {offset + c * spacing + 0.5, offset + r * spacing + 0.5}, along);
    }
  draw_scale(painter, g, factor, spacing);
}

}  // namespace gigawarp::render

#include "ui/views/slice_decorations.h"

#include <QCoreApplication>
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <vector>

#include "render/charts.h"
#include "ui/models/landmark_pairs.h"

namespace gigawarp::ui {
namespace {

constexpr QColor kText(235, 235, 235), kCross(120, 220, 205, 170), kSide(255, 214, 102);
constexpr double kLandmarkReachSlices = 2.5;

QString tr(const char* text) { return QCoreApplication::translate("gigawarp::ui", text); }

/// The lines in which the two other planes meet this one: unit directions in the picture.
std::array<QPointF, 2> plane_lines(const render::SliceGeometry& g, const Workspace& workspace) {
  constexpr std::array kPlanes{render::Plane::axial, render::Plane::coronal,
                               render::Plane::sagittal};
  const Vec3 normal = workspace.directions(g.plane).normal;
  std::array<QPointF, 2> lines;
  std::size_t found = 0;
  for (const render::Plane plane : kPlanes) {
    if (plane == g.plane) continue;
    const Vec3 other = workspace.directions(plane).normal;
    const Vec3 along{normal[1] * other[2] - normal[2] * other[1],
                     normal[2] * other[0] - normal[0] * other[2],
                     normal[0] * other[1] - normal[1] * other[0]};
    QPointF line;
    for (std::size_t a = 0; a < 3; ++a)
      line += QPointF(along[a] * g.right_mm[a], along[a] * g.down_mm[a]);
    lines.at(found++) = line / std::hypot(line.x(), line.y());
  }
  return lines;
}

QPointF point_on(const Decorations& d, const Vec3& point) {
  const auto at = render::pixel_of(d.geometry, point);
  return {at.column + 0.5, at.row + 0.5};
}

/// A long line, in pieces: Qt hands lines of more than some ninety rows to other threads and waits
/// for them, which on a busy machine blocks the interface's thread for tenths of a second.
void draw_in_pieces(QPainter& painter, const Decorations& d, const QPointF& from,
                    const QPointF& along, double length) {
  constexpr double kPiece = 60;
  const QRectF seen(-kPiece, -kPiece, d.geometry.width + 2 * kPiece,
                    d.geometry.height + 2 * kPiece);
  for (double done = 0; done < length; done += kPiece) {
    const QPointF start = from + done * along;
    if (seen.contains(start)) painter.drawLine(start, start + kPiece * along);
  }
}

void draw_crosshair(QPainter& painter, const Decorations& d, const Workspace& workspace) {
  const QPointF middle = point_on(d, workspace.view().cursor_mm);
  constexpr double kGap = 7;
  const double reach = 2.0 * (d.geometry.width + d.geometry.height);
  painter.setRenderHint(QPainter::Antialiasing, workspace.view().is_oblique());
  painter.setPen(QPen(kCross, 1));
  for (const QPointF& line : plane_lines(d.geometry, workspace))
    for (const double side : {-1.0, 1.0})
      draw_in_pieces(painter, d, middle + side * kGap * line, side * line, reach);
  if (!workspace.display().turning) return;
  painter.setRenderHint(QPainter::Antialiasing, true);
  painter.setBrush(QColor(0, 0, 0, 120));
  painter.setPen(QPen(kSide, 2));
  for (const QPointF& handle : plane_handles(d.geometry, workspace))
    painter.drawEllipse(handle, 6, 6);
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

/// What the colours of the map mean, lower left; above the scale of the arrows.
void draw_map_scale(QPainter& painter, const Decorations& d, const Workspace& workspace) {
  const render::ShownMap map = workspace.scene().map;
  if (map.volume == nullptr || d.geometry.width < 220) return;
  constexpr double kWidth = 130;
  const double y = d.geometry.height - (workspace.display().glyphs ? 58.0 : 30.0);
  const QRectF bar(14, y, kWidth, 8);
  QString name;
  std::array<QString, 3> ticks;
  bool reversed = false;
  render::ColourMap colours = render::ColourMap::sequential;
  switch (map.kind) {
    case render::MapKind::jacobian: {
      name = tr("det J");
      colours = render::ColourMap::diverging;
      const QString most = QString::number(std::exp2(map.window.high), 'g', 3);
      ticks = {QStringLiteral("1/") + most, QStringLiteral("1"), most};
      break;
    }
    case render::MapKind::local_ncc:
      name = tr("Local correlation");
      reversed = true;
      ticks = {QStringLiteral("0"), QStringLiteral("0.5"), QStringLiteral("1")};
      break;
    case render::MapKind::millimetres:
    case render::MapKind::run_difference:
      name = map.kind == render::MapKind::millimetres ? tr("Inverse error (mm)")
                                                      : tr("Difference of the runs (mm)");
      ticks = {QStringLiteral("0"), QString::number(0.5 * map.window.high, 'g', 2),
               QString::number(map.window.high, 'g', 2)};
      break;
  }
  // A coarse level smooths what it shows: pictures say so too.
  if (const QString level = workspace.map_level(); !level.isEmpty())
    name = QStringLiteral("%1 · %2").arg(name, level);
  render::draw_colour_bar(painter, bar, colours, reversed);
  QFont font = painter.font();
  font.setBold(false);
  font.setPixelSize(11);
  painter.setFont(font);
  outlined(painter, QRectF(bar.left(), y - 17, d.geometry.width - bar.left() - 8, 15),
           Qt::AlignLeft | Qt::AlignVCenter, name, kText);
  for (int i = 0; i < 3; ++i)
    outlined(painter, QRectF(bar.left() - 20 + 0.5 * i * kWidth, y + 9, 40, 14), Qt::AlignCenter,
             ticks.at(static_cast<std::size_t>(i)), kText);
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

/// Millimetres from the slice, or nothing when a point is more than a few slices away.
bool is_near(const Decorations& d, const Workspace& workspace, const Vec3& point) {
  const render::PlaneDirections directions = workspace.directions(d.geometry.plane);
  double off = 0;
  for (std::size_t a = 0; a < 3; ++a)
    off += (point[a] - d.geometry.origin_mm[a]) * directions.normal[a];
  return std::abs(off) <= kLandmarkReachSlices * directions.normal_spacing_mm;
}

void draw_mark(QPainter& painter, const QPointF& at, bool moving, bool held_out) {
  constexpr double kSize = 5;
  if (moving) {
    painter.drawLine(at - QPointF(kSize, kSize), at + QPointF(kSize, kSize));
    painter.drawLine(at - QPointF(kSize, -kSize), at + QPointF(kSize, -kSize));
  } else if (held_out) {
    painter.drawRect(QRectF(at - QPointF(kSize, kSize), at + QPointF(kSize, kSize)));
  } else {
    painter.drawEllipse(at, kSize, kSize);
  }
}

/// Where a name of that size goes beside its mark: where no other is, and within the picture.
QRectF place_of_name(const QPointF& mark, const QSizeF& size, double picture_width,
                     const std::vector<QRectF>& taken) {
  constexpr double kGap = 8;
  const double right = kGap, left = -kGap - size.width(), middle = -0.5 * size.height();
  const std::array<QPointF, 4> places{QPointF(right, middle), QPointF(left, middle),
                                      QPointF(right, kGap), QPointF(right, -kGap - size.height())};
  for (const QPointF& place : places) {
    const QRectF box(mark + place, size);
    const bool is_free = std::none_of(taken.begin(), taken.end(),
                                      [&](const QRectF& other) { return other.intersects(box); });
    if (is_free && box.left() >= 0 && box.right() <= picture_width) return box;
  }
  return {mark + places[0], size};
}

/// On a dark plate: an outline of letters this small is more black than colour.
void draw_name(QPainter& painter, const QRectF& box, const QString& name, const QColor& colour) {
  painter.setPen(Qt::NoPen);
  painter.setBrush(QColor(0, 0, 0, 150));
  painter.drawRoundedRect(box, 3, 3);
  painter.setBrush(Qt::NoBrush);
  painter.setPen(colour);
  painter.drawText(box, Qt::AlignCenter, name);
}

/// Landmarks within a few slices: of the fixed image a circle, or a square when held out; the
/// moving one's as a cross where the warped image shows it, with a line that is the residual. In a
/// view of the moving image alone only the crosses, where they are.
void draw_landmarks(QPainter& painter, const Decorations& d, const Workspace& workspace,
                    render::Content content) {
  const auto shown = [&](LayerRole role) {
    const Layer& layer = workspace.layers().layer(role);
    return layer.state == Layer::State::ready && layer.visible;
  };
  const bool alone = content == render::Content::moving;
  const bool fixed = shown(LayerRole::fixed_landmarks) && !alone,
             moving = shown(LayerRole::moving_landmarks) && content != render::Content::fixed;
  QFont font = painter.font();
  font.setPixelSize(11);
  painter.setFont(font);
  painter.setBrush(Qt::NoBrush);
  constexpr QColor kMoving(90, 180, 255);
  const auto draw_pair_name = [&](const LandmarkPairs::Pair& pair, const QPointF& at,
                                  std::vector<QRectF>& taken) {
    const QString name = QString::fromStdString(pair.name);
    const QSizeF size(painter.fontMetrics().horizontalAdvance(name) + 8.0,
                      painter.fontMetrics().height() + 1.0);
    taken.push_back(place_of_name(at, size, d.geometry.width, taken));
    const QColor colour = alone ? kMoving : QColor(render::kFixedColour);
    draw_name(painter, taken.back(), name,
              pair.name == workspace.chosen_landmark() ? kSide : colour);
  };
  const auto draw_marks = [&](const LandmarkPairs::Pair& pair, const std::optional<Vec3>& seen) {
    const bool chosen = pair.name == workspace.chosen_landmark();
    const double width = chosen ? 2.4 : 1.5;
    const QPointF at = point_on(d, pair.fixed_mm);
    if (moving && seen) {
      painter.setPen(QPen(kMoving, width));
      if (fixed) painter.drawLine(at, point_on(d, *seen));
      draw_mark(painter, point_on(d, *seen), true, pair.held_out);
    }
    painter.setPen(QPen(chosen ? kSide : QColor(render::kFixedColour), width));
    if (fixed) draw_mark(painter, at, false, pair.held_out);
  };
  // All names first: no plate hides a residual.
  std::vector<QRectF> taken;
  for (const bool names : {true, false})
    for (const LandmarkPairs::Pair& pair : workspace.pairs().pairs()) {
      const std::optional<Vec3> seen = alone ? pair.moving_mm : pair.seen_mm;
      if (!is_near(d, workspace, alone ? pair.moving_mm : pair.fixed_mm)) continue;
      if (!names)
        draw_marks(pair, seen);
      else if (fixed || (alone && moving))
        draw_pair_name(pair, point_on(d, alone ? *seen : pair.fixed_mm), taken);
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

void outlined(QPainter& painter, const QRectF& box, int flags, const QString& text,
              const QColor& colour) {
  painter.setPen(QColor(0, 0, 0, 190));
  for (const QPointF& shift : {QPointF(1, 1), QPointF(-1, 1), QPointF(1, -1), QPointF(-1, -1)})
    painter.drawText(box.translated(shift), flags, text);
  painter.setPen(colour);
  painter.drawText(box, flags, text);
}

std::array<QPointF, 4> plane_handles(const render::SliceGeometry& g, const Workspace& workspace) {
  const auto at = render::pixel_of(g, workspace.view().cursor_mm);
  const QPointF middle(at.column + 0.5, at.row + 0.5);
  const double radius = 0.9 * handle_radius(QSize(g.width, g.height));
  const std::array<QPointF, 2> lines = plane_lines(g, workspace);
  return {middle + radius * lines[0], middle - radius * lines[0], middle + radius * lines[1],
          middle - radius * lines[1]};
}

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
  draw_crosshair(painter, d, workspace);
  painter.setRenderHint(QPainter::Antialiasing, true);
  if (d.swipe) {
    const double x = workspace.display().swipe * d.geometry.width;
    painter.setPen(QPen(kSide, 1.5));
    painter.drawLine(QPointF(x, 0), QPointF(x, d.geometry.height));
    painter.setBrush(kSide);
    painter.drawEllipse(QPointF(x, 0.5 * d.geometry.height), 5, 5);
  }
  if (workspace.display().landmarks) draw_landmarks(painter, d, workspace, content);
  if (d.aligning) draw_handles(painter, d);
  if (content != render::Content::moving) draw_map_scale(painter, d, workspace);
  draw_letters(painter, d);
  draw_scale_bar(painter, d);
  draw_title(painter, d);
}

}  // namespace gigawarp::ui

#include "render/charts.h"

#include <QFont>
#include <QImage>
#include <algorithm>
#include <cmath>

namespace gigawarp::render {
namespace {

constexpr QColor kShrinks(66, 146, 222), kGrows(226, 120, 30);
constexpr double kTextHeight = 14;

void use_small_font(QPainter& painter) {
  QFont font = painter.font();
  font.setPixelSize(11);
  painter.setFont(font);
}

double log_height(std::int64_t count, double tallest) {
  return count > 0 ? std::log10(1 + static_cast<double>(count)) / tallest : 0;
}

}  // namespace

void draw_jacobian_histogram(QPainter& painter, const QRectF& box, const qc::JacobianHistogram& h,
                             const QString& counts_label, const ChartColours& colours) {
  painter.fillRect(box, colours.ground);
  use_small_font(painter);
  constexpr double kFoldsWidth = 44;
  const QRectF plot = box.adjusted(10 + kFoldsWidth, kTextHeight + 4, -10, -2 * kTextHeight - 4);
  std::int64_t most = std::max({h.folds, h.below, h.above, std::int64_t{1}});
  for (const std::int64_t count : h.bins) most = std::max(most, count);
  const double tallest = std::log10(1 + static_cast<double>(most));
  const auto bins = static_cast<double>(h.bins.size());
  const auto bar = [&](double from, double to, std::int64_t count, const QColor& colour) {
    const double tall = plot.height() * log_height(count, tallest);
    painter.fillRect(QRectF(from, plot.bottom() - tall, to - from, tall), colour);
  };
  for (std::size_t i = 0; i < h.bins.size(); ++i) {
    const auto place = static_cast<double>(i);
    // What lies beyond the axis stands in its outer bins, so that no voxel is left out.
    std::int64_t count = h.bins[i];
    if (i == 0) count += h.below;
    if (i + 1 == h.bins.size()) count += h.above;
    bar(plot.left() + plot.width() * place / bins, plot.left() + plot.width() * (place + 1) / bins,
        count, 2 * place < bins ? kShrinks : kGrows);
  }
  bar(box.left() + 10, box.left() + 10 + 0.4 * kFoldsWidth, h.folds, QColor(kDefectColour));
  painter.setPen(QPen(colours.dim, 1));
  painter.drawLine(QPointF(box.left() + 8, plot.bottom()), plot.bottomRight());
  const double middle = plot.center().x();
  painter.setPen(QPen(colours.text, 1.2));
  painter.drawLine(QPointF(middle, plot.top()), QPointF(middle, plot.bottom() + 3));
  const auto tick = [&](double x, const QString& text, const QColor& colour) {
    painter.setPen(colour);
    painter.drawText(QRectF(x - 24, plot.bottom() + 3, 48, kTextHeight), Qt::AlignCenter, text);
  };
  const int whole = static_cast<int>(h.log2_range);
  for (int power = -whole; power <= whole; ++power)
    tick(middle + 0.5 * plot.width() * power / h.log2_range,
         power < 0 ? QStringLiteral("1/%1").arg(1 << -power) : QString::number(1 << power),
         power == 0 ? colours.text : colours.dim);
  tick(box.left() + 10 + 0.2 * kFoldsWidth, QStringLiteral("≤ 0"),
       h.folds > 0 ? QColor(kDefectColour) : colours.dim);
  painter.setPen(colours.dim);
  painter.drawText(QRectF(plot.left(), plot.bottom() + 3 + kTextHeight, plot.width(), kTextHeight),
                   Qt::AlignCenter, QStringLiteral("det J"));
  painter.drawText(QRectF(box.left() + 8, box.top() + 2, box.width() - 16, kTextHeight),
                   Qt::AlignLeft | Qt::AlignVCenter, counts_label);
}

void draw_joint_histogram(QPainter& painter, const QRectF& box, const qc::JointHistogram& h,
                          const QString& fixed_label, const QString& moving_label,
                          const ChartColours& colours) {
  painter.fillRect(box, colours.ground);
  use_small_font(painter);
  const double side = std::min(box.width(), box.height()) - 2 * kTextHeight - 6;
  if (h.bins < 1 || side < 16) return;
  QImage picture(h.bins, h.bins, QImage::Format_RGB32);
  std::uint32_t most = 1;
  // The corner of both backgrounds would dim all the rest.
  for (std::size_t i = 1; i < h.counts.size(); ++i) most = std::max(most, h.counts[i]);
  const double tallest = std::log10(1.0 + most);
  for (int row = 0; row < h.bins; ++row)
    for (int column = 0; column < h.bins; ++column) {
      const std::uint32_t count =
          h.counts[static_cast<std::size_t>(h.bins - 1 - row) * static_cast<std::size_t>(h.bins) +
                   static_cast<std::size_t>(column)];
      picture.setPixel(column, row,
                       count > 0 ? colour_of(ColourMap::sequential,
                                             0.15 + 0.85 * std::log10(1.0 + count) / tallest)
                                 : qRgb(20, 21, 24));
    }
  const QRectF plot(box.left() + 0.5 * (box.width() - side) + 0.5 * kTextHeight,
                    box.top() + kTextHeight + 2, side, side);
  painter.drawImage(plot, picture);
  painter.setPen(colours.dim);
  painter.drawText(QRectF(plot.left(), plot.bottom() + 1, side, kTextHeight), Qt::AlignCenter,
                   fixed_label);
  painter.save();
  painter.translate(plot.left() - kTextHeight - 1, plot.bottom());
  painter.rotate(-90);
  painter.drawText(QRectF(0, 0, side, kTextHeight), Qt::AlignCenter, moving_label);
  painter.restore();
  painter.setPen(colours.text);
  painter.drawText(QRectF(box.left(), box.top(), box.width(), kTextHeight), Qt::AlignCenter,
                   QStringLiteral("MI %1").arg(h.mutual_information, 0, 'f', 3));
}

void draw_colour_bar(QPainter& painter, const QRectF& bar, ColourMap map, bool reversed) {
  painter.fillRect(bar.adjusted(-1, -1, 1, 1), QColor(0, 0, 0, 190));
  const int steps = std::max(2, static_cast<int>(bar.width()));
  for (int i = 0; i < steps; ++i) {
    const double t = static_cast<double>(i) / (steps - 1);
    painter.fillRect(QRectF(bar.left() + bar.width() * i / steps, bar.top(),
                            bar.width() / steps + 0.5, bar.height()),
                     QColor(colour_of(map, reversed ? 1 - t : t)));
  }
}

}  // namespace gigawarp::render

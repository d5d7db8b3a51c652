#include "ui/views/loss_curve.h"

#include <QPainter>
#include <QPainterPath>
#include <algorithm>
#include <cmath>
#include <limits>

namespace gigawarp::ui {
namespace {

constexpr int kBottom = 34, kTop = 22, kSide = 8;
/// Levels with few iterations stay wide enough for their names.
constexpr double kLeastShare = 0.11;
/// Of a level's loss, what its height shows at least: less is no change worth a look, and the loss
/// may rise by as much while the field becomes smoother, which is not in it.
constexpr double kLeastRange = 0.04;

/// What a level ended with, and where.
struct End {
  double x, loss;
};

/// The last one first: others only where they run into none.
void draw_ends(QPainter& painter, const std::vector<End>& ends) {
  constexpr double kGap = 8;
  double taken_from = std::numeric_limits<double>::max();
  for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
    const QString value = QString::number(end->loss, 'g', 4);
    const double wide = painter.fontMetrics().horizontalAdvance(value);
    if (end->x > taken_from || end->x - wide < 0) continue;
    painter.drawText(QRectF(end->x - wide, 4, wide + 1, 16), Qt::AlignRight, value);
    taken_from = end->x - wide - kGap;
  }
}

}  // namespace

LossCurveView::LossCurveView(QWidget* parent) : QWidget(parent) {
  setObjectName(QStringLiteral("loss_curve"));
  setAccessibleName(tr("Loss of every level"));
  setMinimumSize(120, 110);
}

void LossCurveView::show_curves(const std::vector<LossCurve>& curves) {
  curves_ = curves;
  update();
}

void LossCurveView::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.setRenderHint(QPainter::Antialiasing);
  painter.fillRect(rect(), palette().color(QPalette::Base));
  const QColor text = palette().color(QPalette::Text);
  QColor dim = text;
  dim.setAlphaF(0.55F);
  QFont small = font();
  small.setPixelSize(11);
  painter.setFont(small);
  if (curves_.empty()) {
    painter.setPen(dim);
    painter.drawText(rect().adjusted(8, 8, -8, -8), Qt::AlignCenter | Qt::TextWordWrap,
                     tr("The loss of every level appears here while a registration runs."));
    return;
  }
  std::vector<double> share;
  double total = 0;
  for (const LossCurve& curve : curves_) {
    share.push_back(std::max<double>(8, static_cast<double>(curve.losses.size())));
    total += share.back();
  }
  for (double& s : share) s = std::max(s / total, kLeastShare);
  total = 0;
  for (const double s : share) total += s;
  std::vector<End> ends;
  double left = kSide;
  const double width_all = width() - 2.0 * kSide, height_all = height() - kTop - kBottom;
  for (std::size_t i = 0; i < curves_.size(); ++i) {
    const LossCurve& curve = curves_[i];
    const double wide = width_all * share[i] / total;
    const QRectF box(left, kTop, wide, height_all);
    left += wide;
    painter.setPen(QPen(dim, 0.6));
    painter.drawLine(box.bottomLeft(), box.bottomRight());
    const bool same_stage = i > 0 && curves_[i - 1].stage == curve.stage;
    if (i > 0)
      painter.drawLine(box.topLeft(),
                       box.bottomLeft() + QPointF(0, same_stage ? 0.0 : kBottom - 6.0));
    if (!same_stage) {
      // The name has room below all levels of its stage.
      double room = 0;
      for (std::size_t k = i; k < curves_.size() && curves_[k].stage == curve.stage; ++k)
        room += width_all * share[k] / total;
      painter.setPen(text);
      painter.drawText(QRectF(box.left() + 4, box.bottom() + 3, room, 14), Qt::AlignLeft,
                       painter.fontMetrics().elidedText(curve.stage, Qt::ElideRight,
                                                        static_cast<int>(room) - 4));
    }
    painter.setPen(dim);
    const QString shrink = QStringLiteral("1/%1").arg(curve.shrink);
    if (painter.fontMetrics().horizontalAdvance(shrink) + 4 < wide)  // else it runs into the next
      painter.drawText(QRectF(box.left() + 4, box.bottom() + 17, wide, 14), Qt::AlignLeft, shrink);
    if (curve.losses.empty()) continue;
    const auto [low, high] = std::minmax_element(curve.losses.begin(), curve.losses.end());
    const double range = std::max({*high - *low, kLeastRange * std::abs(*low), 1e-12});
    QPainterPath path;
    for (std::size_t k = 0; k < curve.losses.size(); ++k) {
      const double x = box.left() + 3 +
                       (wide - 6) * static_cast<double>(k) /
                           std::max<double>(1, static_cast<double>(curve.losses.size()) - 1);
      const double y = box.bottom() - 3 - (box.height() - 6) * (curve.losses[k] - *low) / range;
      k == 0 ? path.moveTo(x, y) : path.lineTo(x, y);
    }
    painter.setPen(QPen(QColor(230, 125, 30), 1.8));
    painter.drawPath(path);
    ends.push_back({box.right() - 4, curve.losses.back()});
  }
  painter.setPen(text);
  draw_ends(painter, ends);
}

}  // namespace gigawarp::ui

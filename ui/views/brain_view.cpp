#include "ui/views/brain_view.h"

#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QWheelEvent>
#include <algorithm>
#include <cmath>
#include <utility>

namespace gigawarp::ui {
namespace {

constexpr double kRadiansPerPixel = 0.01, kKeyTurn = 0.15;
/// While it turns, the picture is coarser by this factor so that it follows the hand.
constexpr int kCoarse = 2;

}  // namespace

BrainView::BrainView(Workspace& workspace, render::RenderQueue& queue, QWidget* parent)
    : QWidget(parent), workspace_(workspace), queue_(queue) {
  setObjectName(QStringLiteral("brain_view"));
  setAccessibleName(tr("The fixed image in 3-D"));
  setToolTip(tr("Drag to turn, wheel to zoom, double click to look from the front"));
  setFocusPolicy(Qt::StrongFocus);
  setMinimumSize(120, 120);
  setAttribute(Qt::WA_OpaquePaintEvent);
  connect(&workspace_, &Workspace::view_changed, this, &BrainView::ask);
  connect(&workspace_.layers(), &LayerModel::layer_changed, this, [this](LayerRole role) {
    if (is_image(role)) ask();
  });
}

BrainView::~BrainView() { queue_.forget(this); }

void BrainView::ask() {
  const LayerRole role =
      workspace_.layers().is_ready(LayerRole::fixed) ? LayerRole::fixed : LayerRole::moving;
  const Layer& layer = workspace_.layers().layer(role);
  if (layer.volume == nullptr || !isVisible() || width() < 2 || height() < 2) {
    if (layer.volume == nullptr) picture_ = {};
    update();
    return;
  }
  const double scale = devicePixelRatioF() / (dragging_ ? kCoarse : 1);
  render::CastView view = view_;
  view.width = static_cast<int>(std::lround(width() * scale));
  view.height = static_cast<int>(std::lround(height() * scale));
  render::CastScene scene;
  scene.volume = layer.volume;
  scene.window = layer.window;
  scene.threshold = render::surface_threshold(layer.percentiles);
  scene.cut_mm = workspace_.view().cursor_mm;
  queue_.request(
      this,
      [scene, view](const std::stop_token& stop) {
        return render::cast_surface(scene, view, stop);
      },
      [this](QImage drawn) {
        QMetaObject::invokeMethod(
            this,
            [this, picture = std::move(drawn)] {
              picture_ = picture;
              update();
            },
            Qt::QueuedConnection);
      });
}

void BrainView::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.fillRect(rect(), QColor(render::kBackground));
  if (picture_.isNull() || workspace_.reference() == nullptr) return;
  painter.setRenderHint(QPainter::SmoothPixmapTransform);
  painter.drawImage(rect(), picture_);
  draw_letters(painter);
}

/// Three short axes with their letters, lower left.
void BrainView::draw_letters(QPainter& painter) const {
  const render::CastAxes axes = render::cast_axes(view_);
  const QPointF middle(46, height() - 46.0);
  constexpr double kLength = 26;
  painter.setRenderHint(QPainter::Antialiasing);
  QFont bold = font();
  bold.setBold(true);
  bold.setPixelSize(13);
  painter.setFont(bold);
  constexpr char kLetters[] = "LPS";
  for (std::size_t a = 0; a < 3; ++a) {
    const QPointF tip(kLength * axes.right[a], kLength * axes.down[a]);
    painter.setPen(QPen(QColor(255, 214, 102, 200), 1.6));
    painter.drawLine(middle, middle + tip);
    const QPointF at = middle + 1.45 * tip;
    painter.drawText(QRectF(at - QPointF(9, 9), QSizeF(18, 18)), Qt::AlignCenter,
                     QString(QLatin1Char(kLetters[a])));
  }
  QFont small = font();
  small.setPixelSize(12);
  painter.setFont(small);
  painter.setPen(QColor(235, 235, 235));
  painter.drawText(QRectF(8, 6, width() - 16.0, 18), Qt::AlignLeft | Qt::AlignTop,
                   tr("3-D · fixed"));
}

void BrainView::resizeEvent(QResizeEvent*) { ask(); }
void BrainView::showEvent(QShowEvent*) { ask(); }

void BrainView::turn(double yaw, double pitch) {
  view_.yaw += yaw;
  view_.pitch = std::clamp(view_.pitch + pitch, -1.57, 1.57);
  ask();
  update();
}

void BrainView::mousePressEvent(QMouseEvent* event) { last_ = event->position(); }

void BrainView::mouseMoveEvent(QMouseEvent* event) {
  if (!(event->buttons() & Qt::LeftButton)) return;
  dragging_ = true;
  const QPointF delta = event->position() - last_;
  last_ = event->position();
  turn(-kRadiansPerPixel * delta.x(), kRadiansPerPixel * delta.y());
}

void BrainView::mouseReleaseEvent(QMouseEvent*) {
  dragging_ = false;
  ask();
}

void BrainView::mouseDoubleClickEvent(QMouseEvent*) {
  view_ = {};
  ask();
}

void BrainView::wheelEvent(QWheelEvent* event) {
  view_.zoom = std::clamp(view_.zoom * std::pow(1.2, event->angleDelta().y() / 120.0), 0.3, 20.0);
  event->accept();
  ask();
}

void BrainView::keyPressEvent(QKeyEvent* event) {
  switch (event->key()) {
    case Qt::Key_Left: return turn(kKeyTurn, 0);
    case Qt::Key_Right: return turn(-kKeyTurn, 0);
    case Qt::Key_Up: return turn(0, kKeyTurn);
    case Qt::Key_Down: return turn(0, -kKeyTurn);
    default: QWidget::keyPressEvent(event);
  }
}

}  // namespace gigawarp::ui

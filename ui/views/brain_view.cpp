#include "ui/views/brain_view.h"

#include <QContextMenuEvent>
#include <QElapsedTimer>
#include <QKeyEvent>
#include <QMenu>
#include <QMouseEvent>
#include <QPainter>
#include <QWheelEvent>
#include <algorithm>
#include <cmath>
#include <utility>

namespace gigawarp::ui {
namespace {

constexpr double kRadiansPerPixel = 0.01, kKeyTurn = 0.15, kKeyPan = 20, kZoomStep = 1.2;
/// While it turns, the picture is coarser where a whole one takes longer than this, so that it
/// follows the hand.
constexpr double kSmoothMs = 40, kSlowMs = 200;
/// Least time between pictures of a preview, and in times of what a picture takes.
constexpr int kPreviewMs = 400;
constexpr double kPreviewShare = 12;

std::vector<Vec3> positions(const std::vector<io::Landmark>& landmarks) {
  std::vector<Vec3> points;
  for (const io::Landmark& mark : landmarks) points.push_back(mark.position_mm);
  return points;
}

}  // namespace

BrainView::BrainView(Workspace& workspace, const Actions& actions, QWidget* parent)
    : QWidget(parent),
      workspace_(workspace),
      surfaces_(workspace),
      menu_button_(new QToolButton(this)) {
  setObjectName(QStringLiteral("brain_view"));
  setAccessibleName(tr("The fixed image in 3-D"));
  setToolTip(
      tr("Drag to turn, middle or Ctrl+drag to move, wheel to zoom, double click for the front. "
         "Arrows turn, Shift+arrows move, + and − zoom, Home resets."));
  setFocusPolicy(Qt::StrongFocus);
  setMinimumSize(120, 120);
  setAttribute(Qt::WA_OpaquePaintEvent);
  connect(&workspace_, &Workspace::view_changed, this, &BrainView::look_elsewhere);
  connect(&workspace_, &Workspace::scene_changed, this, &BrainView::slices_changed);
  connect(&workspace_.layers(), &LayerModel::layer_changed, this, &BrainView::ask);
  connect(&surfaces_, &SurfacesModel::changed, this, &BrainView::surfaces_changed);
  preview_rest_.setSingleShot(true);
  connect(&preview_rest_, &QTimer::timeout, this, &BrainView::look_elsewhere);
  auto* menu = new QMenu(tr("Show in 3-D"), this);
  menu->setObjectName(QStringLiteral("menu_3d"));
  for (const char* id : {"head_solid", "head_glass", "head_volume", "head_none"})
    menu->addAction(actions[id]);
  menu->addSeparator();
  for (const char* id : {"cut_planes", "grid"}) menu->addAction(actions[id]);
  menu->addSeparator();
  menu->addAction(tr("&Look from the front"), this, &BrainView::reset);
  menu->addAction(actions["export_view"]);
  menu_button_->setObjectName(QStringLiteral("menu_3d_button"));
  menu_button_->setAccessibleName(tr("What the 3-D view shows"));
  menu_button_->setText(tr("Show"));
  menu_button_->setToolTip(tr("What the 3-D view shows"));
  menu_button_->setPopupMode(QToolButton::InstantPopup);
  menu_button_->setMenu(menu);
  menu_button_->setAutoRaise(true);
  menu_button_->setStyleSheet(QStringLiteral("QToolButton { color: rgb(235, 235, 235); }"));
}

BrainView::~BrainView() { queue_.forget(this); }

bool BrainView::is_current() const {
  return shown_ == asked_ && !preview_rest_.isActive() && !surfaces_.is_busy();
}

void BrainView::look_elsewhere() {
  ++slices_revision_;
  ask();
}

/// A run that previews has the cores: where a picture costs much, it comes seldom.
void BrainView::slices_changed() {
  if (!problem_.isEmpty()) return;  // rays are cast at the layers alone
  if (workspace_.warp_source() != WarpSource::preview) return look_elsewhere();
  if (!preview_rest_.isActive())
    preview_rest_.start(std::max(kPreviewMs, static_cast<int>(kPreviewShare * frame_ms_)));
}

/// Fits the picture to what the surface encloses, which in many volumes is a small part.
void BrainView::surfaces_changed() {
  if (const auto surface = surfaces_.head(); surface != nullptr && !surface->empty()) {
    const std::array<Vec3, 2>& box = surface->box_mm;
    render::CastView::Ball ball;
    for (std::size_t a = 0; a < 3; ++a) ball.centre_mm[a] = 0.5 * (box[0][a] + box[1][a]);
    ball.diameter_mm =
        std::hypot(box[1][0] - box[0][0], box[1][1] - box[0][1], box[1][2] - box[0][2]);
    view_.subject = ball;
  } else if (surfaces_.head() == nullptr && !surfaces_.is_busy()) {
    view_.subject.reset();
  }
  ask();
}

std::shared_ptr<const io::LabelNames> BrainView::label_names() const {
  const LayerRole role =
      surfaces_.labels_are_moving() ? LayerRole::moving_labels : LayerRole::fixed_labels;
  return workspace_.layers().layer(role).names.list;
}

render::Scene3d BrainView::scene_3d() const {
  render::Scene3d scene;
  const Layer& head = workspace_.layers().layer(surfaces_.head_role());
  const DisplayState& display = workspace_.display();
  scene.slices = render::with_overviews(workspace_.scene());
  scene.slices_revision = slices_revision_;
  scene.grid = *workspace_.reference();
  scene.cursor_mm = workspace_.view().cursor_mm;
  scene.turn = workspace_.view().turn;
  scene.style = display.head;
  scene.surface = surfaces_.head();
  scene.head = surfaces_.bytes();
  scene.tissue = 0.5 * render::surface_threshold(head.percentiles);
  scene.planes = display.cut_planes;
  scene.labels = surfaces_.labels();
  scene.label_names = label_names();
  if (display.landmarks) {
    const LayerModel& layers = workspace_.layers();
    scene.landmarks = render::landmarks_in_fixed_space(
        positions(layers.layer(LayerRole::fixed_landmarks).landmarks),
        positions(layers.layer(LayerRole::moving_landmarks).landmarks), scene.slices.warp.get());
  }
  return scene;
}

int BrainView::coarseness() const {
  if (!dragging_ || frame_ms_ < kSmoothMs) return 1;
  return frame_ms_ < kSlowMs ? 2 : 4;
}

void BrainView::ask() {
  const Layer& layer = workspace_.layers().layer(surfaces_.head_role());
  if (layer.volume == nullptr || workspace_.reference() == nullptr || !isVisible() || width() < 2 ||
      height() < 2) {
    if (layer.volume == nullptr) {
      queue_.forget(this);
      shown_ = asked_;
      picture_ = {};
    }
    update();
    return;
  }
  const int coarse = coarseness();
  const double scale = devicePixelRatioF() / coarse;
  render::CastView view = view_;
  view.width = std::max(2, static_cast<int>(std::lround(width() * scale)));
  view.height = std::max(2, static_cast<int>(std::lround(height() * scale)));
  render::CastScene cast;
  cast.volume = layer.volume;
  cast.window = layer.window;
  cast.threshold = render::surface_threshold(layer.percentiles);
  cast.cut_mm = workspace_.view().cursor_mm;
  cast.turn = workspace_.view().turn;
  struct Outcome {
    QString problem;
    double ms = 0;
  };
  auto outcome = std::make_shared<Outcome>();
  ++asked_;
  queue_.request(
      this,
      [renderer = renderer_, scene = scene_3d(), cast, view, outcome](const std::stop_token& stop) {
        QElapsedTimer clock;
        clock.start();
        outcome->problem = QString::fromStdString(renderer->problem());
        QImage drawn = outcome->problem.isEmpty() ? renderer->draw(scene, view, stop)
                                                  : render::cast_surface(cast, view, stop);
        if (drawn.isNull() && !stop.stop_requested()) {  // as after a reset of the card
          outcome->problem = BrainView::tr("the graphics driver does not answer any more.");
          drawn = render::cast_surface(cast, view, stop);
        }
        outcome->ms = static_cast<double>(clock.nsecsElapsed()) / 1e6;
        return drawn;
      },
      [this, outcome, coarse, serial = asked_](QImage drawn) {
        QMetaObject::invokeMethod(
            this,
            [this, outcome, coarse, serial, picture = std::move(drawn)] {
              take(serial, picture, outcome->problem, coarse == 1 ? outcome->ms : 0);
            },
            Qt::QueuedConnection);
      });
}

void BrainView::take(quint64 serial, const QImage& picture, const QString& problem, double ms) {
  picture_ = picture;
  if (ms > 0) frame_ms_ = ms;
  shown_ = serial;
  if (problem != problem_) {
    problem_ = problem;
    menu_button_->setVisible(problem.isEmpty());
    Q_EMIT workspace_.message(
        tr("The 3-D view is drawn by the processor, without labels, planes and grid: %1")
            .arg(problem));
  }
  // Surfaces only where they can be drawn, and not before the window has come up.
  if (!std::exchange(has_drawn_, true) && problem_.isEmpty()) surfaces_.follow();
  update();
}

void BrainView::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.fillRect(rect(), QColor(render::kBackground));
  menu_button_->move(width() - menu_button_->width() - 4, 4);
  if (picture_.isNull() || workspace_.reference() == nullptr) return;
  painter.setRenderHint(QPainter::SmoothPixmapTransform);
  painter.drawImage(rect(), picture_);
  draw_letters(painter);
  draw_legend(painter);
  draw_words(painter);
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
}

/// The colours of the labels, as many as fit below the menu, with their names or numbers.
void BrainView::draw_legend(QPainter& painter) const {
  const auto labels = surfaces_.labels();
  if (labels == nullptr || !problem_.isEmpty()) return;
  constexpr int kRow = 16, kTop = 34, kNumber = 46, kLegendText = 190;
  const QColor kLegendGround(20, 21, 24, 170);
  const int room = std::max(0, (height() - kTop - 30) / kRow);
  QFont small = font();
  small.setPixelSize(11);
  painter.setFont(small);
  const std::shared_ptr<const io::LabelNames> names = label_names();
  const int text = names != nullptr ? std::clamp(width() / 3, kNumber, kLegendText) : kNumber;
  const int x = width() - text - 18;
  int y = kTop, shown = 0;
  const int count = static_cast<int>(labels->size());
  if (names != nullptr)  // long words reach into the brain
    painter.fillRect(QRect(x - 5, kTop - 2, width() - x + 5, std::min(room, count) * kRow + 4),
                     kLegendGround);
  for (const mesh::LabelSurface& label : *labels) {
    if (shown == room - 1 && count > room) break;
    painter.fillRect(QRect(x, y + 3, 10, 10),
                     QColor(render::label_colour(label.label, names.get())));
    painter.setPen(QColor(235, 235, 235));
    QString word = QString::number(label.label);
    if (names != nullptr)
      if (const auto name = names->find(label.label); name != names->end())
        // The number too: cut short, names may look alike.
        word = painter.fontMetrics().elidedText(
            word + QLatin1Char(' ') + QString::fromStdString(name->second.name), Qt::ElideMiddle,
            text);
    painter.drawText(QRect(x + 15, y, text, kRow), Qt::AlignLeft | Qt::AlignVCenter, word);
    y += kRow;
    ++shown;
  }
  if (shown < count)
    painter.drawText(QRect(x, y, std::max(60, text), kRow), Qt::AlignLeft | Qt::AlignVCenter,
                     tr("+ %1 more").arg(count - shown));
}

void BrainView::draw_words(QPainter& painter) const {
  QFont small = font();
  small.setPixelSize(12);
  painter.setFont(small);
  painter.setPen(QColor(235, 235, 235));
  QString title =
      surfaces_.head_role() == LayerRole::fixed ? tr("3-D · fixed") : tr("3-D · moving");
  const QString level = coarse_level_text(workspace_.layers().layer(surfaces_.head_role()));
  if (!level.isEmpty()) title += QStringLiteral(" · ") + level;
  if (surfaces_.labels() != nullptr)
    title +=
        surfaces_.labels_are_moving() ? tr(" · labels: moving, warped") : tr(" · labels: fixed");
  painter.drawText(QRectF(8, 6, width() - 80.0, 18), Qt::AlignLeft | Qt::AlignTop, title);
  QString words;
  if (!problem_.isEmpty())
    words = tr("Drawn by the processor, without labels, planes and grid: %1").arg(problem_);
  else if (!surfaces_.problem().isEmpty())
    words = surfaces_.problem();
  else if (surfaces_.is_busy())
    words = tr("Making surfaces …");
  if (words.isEmpty()) return;
  const QRectF below(84, height() - 54.0, width() - 92.0, 48);
  painter.setPen(QColor(255, 214, 102));
  painter.drawText(below, Qt::AlignRight | Qt::AlignBottom | Qt::TextWordWrap, words);
}

void BrainView::resizeEvent(QResizeEvent*) { ask(); }

void BrainView::showEvent(QShowEvent*) { ask(); }

void BrainView::reset() {
  const auto subject = view_.subject;
  view_ = {};
  view_.subject = subject;
  ask();
}

void BrainView::turn(double yaw, double pitch) {
  view_.yaw += yaw;
  view_.pitch = std::clamp(view_.pitch + pitch, -1.57, 1.57);
  ask();
  update();
}

void BrainView::pan(double right_pixels, double down_pixels) {
  if (workspace_.reference() == nullptr) return;
  render::CastView view = view_;
  view.width = width();
  view.height = height();
  const double pixel_mm = render::pixel_mm_of(*workspace_.reference(), view);
  view_.right_mm -= right_pixels * pixel_mm;
  view_.down_mm -= down_pixels * pixel_mm;
  ask();
}

void BrainView::zoom(double factor) {
  view_.zoom = std::clamp(view_.zoom * factor, 0.3, 20.0);
  ask();
}

void BrainView::mousePressEvent(QMouseEvent* event) { last_ = event->position(); }

void BrainView::mouseMoveEvent(QMouseEvent* event) {
  const bool moves =
      (event->buttons() & Qt::MiddleButton) ||
      ((event->buttons() & Qt::LeftButton) && event->modifiers() & Qt::ControlModifier);
  if (!moves && !(event->buttons() & Qt::LeftButton)) return;
  dragging_ = true;
  const QPointF delta = event->position() - last_;
  last_ = event->position();
  if (moves)
    pan(delta.x(), delta.y());
  else
    turn(-kRadiansPerPixel * delta.x(), kRadiansPerPixel * delta.y());
}

void BrainView::mouseReleaseEvent(QMouseEvent*) {
  dragging_ = false;
  ask();
}

void BrainView::mouseDoubleClickEvent(QMouseEvent*) { reset(); }

void BrainView::wheelEvent(QWheelEvent* event) {
  zoom(std::pow(kZoomStep, event->angleDelta().y() / 120.0));
  event->accept();
}

void BrainView::keyPressEvent(QKeyEvent* event) {
  const bool moves = event->modifiers() & Qt::ShiftModifier;
  switch (event->key()) {
    case Qt::Key_Left: return moves ? pan(-kKeyPan, 0) : turn(kKeyTurn, 0);
    case Qt::Key_Right: return moves ? pan(kKeyPan, 0) : turn(-kKeyTurn, 0);
    case Qt::Key_Up: return moves ? pan(0, -kKeyPan) : turn(0, kKeyTurn);
    case Qt::Key_Down: return moves ? pan(0, kKeyPan) : turn(0, -kKeyTurn);
    case Qt::Key_Plus: return zoom(kZoomStep);
    case Qt::Key_Minus: return zoom(1 / kZoomStep);
    case Qt::Key_Home: return reset();
    default: QWidget::keyPressEvent(event);
  }
}

/// Also by the menu key.
void BrainView::contextMenuEvent(QContextMenuEvent* event) {
  if (problem_.isEmpty()) menu_button_->menu()->popup(event->globalPos());
}

}  // namespace gigawarp::ui

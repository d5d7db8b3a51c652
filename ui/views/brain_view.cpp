#include "ui/views/brain_view.h"

#include <QContextMenuEvent>
#include <QElapsedTimer>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMenu>
#include <QMouseEvent>
#include <QPainter>
#include <QToolTip>
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
/// Where the menu's button has no room for a word.
constexpr int kNarrow = 200;

std::vector<Vec3> positions(const std::vector<io::Landmark>& landmarks) {
  std::vector<Vec3> points;
  for (const io::Landmark& mark : landmarks) points.push_back(mark.position_mm);
  return points;
}

/// Keys that turn, move and zoom.
bool is_own(const QKeyEvent& key) {
  const Qt::KeyboardModifiers modifiers = key.modifiers() & ~Qt::KeypadModifier;
  switch (key.key()) {
    case Qt::Key_Left:
    case Qt::Key_Right:
    case Qt::Key_Up:
    case Qt::Key_Down:
    case Qt::Key_Plus: return modifiers == Qt::NoModifier || modifiers == Qt::ShiftModifier;
    case Qt::Key_Minus:
    case Qt::Key_Home: return modifiers == Qt::NoModifier;
    default: return false;
  }
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
  // The view is dark in the light window too, also under the mouse.
  QPalette dark;
  dark.setColor(QPalette::Button, QColor(50, 53, 58));
  for (const QPalette::ColorRole role :
       {QPalette::ButtonText, QPalette::WindowText, QPalette::Text})  // words and arrow
    dark.setColor(role, QColor(235, 235, 235));
  menu_button_->setPalette(dark);
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

std::vector<LegendEntry> BrainView::legend() const {
  std::vector<LegendEntry> entries;
  const auto labels = surfaces_.labels();
  if (labels == nullptr || !problem_.isEmpty()) return entries;
  const std::shared_ptr<const io::LabelNames> names = label_names();
  for (const mesh::LabelSurface& label : *labels) {
    LegendEntry entry{
        QColor(render::label_colour(label.label, names.get())), QString::number(label.label), {}};
    if (names != nullptr)
      if (const auto name = names->find(label.label); name != names->end())
        entry.name = QString::fromStdString(name->second.name);
    entries.push_back(entry);
  }
  return entries;
}

BrainDecorations BrainView::decorations() const {
  BrainDecorations out;
  out.heading = surfaces_.head_role() == LayerRole::fixed ? tr("3-D · fixed") : tr("3-D · moving");
  const QString level = coarse_level_text(workspace_.layers().layer(surfaces_.head_role()));
  if (!level.isEmpty()) out.heading += QStringLiteral(" · ") + level;
  if (surfaces_.labels() != nullptr)
    out.heading +=
        surfaces_.labels_are_moving() ? tr(" · labels: moving, warped") : tr(" · labels: fixed");
  out.legend = legend();
  if (!problem_.isEmpty())
    out.words = tr("Drawn by the processor, without labels, planes and grid: %1").arg(problem_);
  else if (!surfaces_.problem().isEmpty())
    out.words = surfaces_.problem();
  else if (surfaces_.is_busy())
    out.words = tr("Making surfaces …");
  out.axes = render::cast_axes(view_);
  return out;
}

BrainLayout BrainView::layout_of(const BrainDecorations& decorations) const {
  const QSize button = problem_.isEmpty() ? menu_button_->size() : QSize();
  return lay_out(decorations, size(), button, font());
}

/// The view with its subject in the middle of what the decorations leave free.
render::CastView BrainView::framed() const {
  render::CastView view = view_;
  view.width = width();
  view.height = height();
  const QRectF free = layout_of(decorations()).free;
  view.zoom *= std::min(free.width(), free.height()) / std::min(width(), height());
  const double pixel_mm = render::pixel_mm_of(*workspace_.reference(), view);
  view.right_mm += (0.5 * width() - free.center().x()) * pixel_mm;
  view.down_mm += (0.5 * height() - free.center().y()) * pixel_mm;
  return view;
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
  render::CastView view = framed();
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
  if (picture_.isNull() || workspace_.reference() == nullptr) return;
  painter.setRenderHint(QPainter::SmoothPixmapTransform);
  painter.drawImage(rect(), picture_);
  const BrainDecorations all = decorations();
  draw(painter, all, layout_of(all), size(), font());
}

void BrainView::place_button() {
  menu_button_->setText(width() < kNarrow ? QStringLiteral("…") : tr("Show"));
  menu_button_->adjustSize();
  menu_button_->move(width() - menu_button_->width() - 4, 4);
}

/// What has no room in the view; elsewhere, how to use it.
QString BrainView::text_at(const QPoint& place) const {
  const BrainDecorations all = decorations();
  const BrainLayout layout = layout_of(all);
  const int row = layout.row_at(place);
  if (row == layout.rows) return legend_html(all.legend, row);
  if (row >= 0) return legend_html({all.legend[static_cast<std::size_t>(row)]}, 0);
  const bool legend_hidden = layout.legend.isEmpty() && !all.legend.empty();
  if (!layout.heading_box.contains(place) || !(layout.heading_cut || legend_hidden))
    return toolTip();
  return QStringLiteral("<p>%1</p>").arg(all.heading.toHtmlEscaped()) +
         (legend_hidden ? legend_html(all.legend, 0) : QString());
}

bool BrainView::event(QEvent* event) {
  // Its own keys are no shortcuts here: Shift and an arrow would turn the planes.
  if (event->type() == QEvent::ShortcutOverride && is_own(*static_cast<QKeyEvent*>(event))) {
    event->accept();
    return true;
  }
  if (event->type() != QEvent::ToolTip) return QWidget::event(event);
  const auto* help = static_cast<QHelpEvent*>(event);
  QToolTip::showText(help->globalPos(), text_at(help->pos()), this);
  return true;
}

void BrainView::resizeEvent(QResizeEvent*) {
  place_button();
  ask();
}

void BrainView::showEvent(QShowEvent*) {
  place_button();
  ask();
}

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
  const double pixel_mm = render::pixel_mm_of(*workspace_.reference(), framed());
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

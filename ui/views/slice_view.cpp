#include "ui/views/slice_view.h"

#include <QLineF>
#include <QMouseEvent>
#include <QPainter>
#include <QWheelEvent>
#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "ui/views/slice_decorations.h"

namespace gigawarp::ui {
namespace {

constexpr int kWheelStep = 120;     // eighths of a degree of one notch
constexpr int kRefineMs = 40;       // between pictures that only become finer
constexpr double kSwipeReach = 12;  // pixels from the edge that grab it

Affine rotation_about(const Vec3& centre, const Vec3& axis, double angle) {
  Affine turn;
  turn.linear = render::turn_about(axis, angle);
  const Vec3 turned = turn.map_vector(centre);
  for (std::size_t a = 0; a < 3; ++a) turn.offset[a] = centre[a] - turned[a];
  return turn;
}

Vec3 unit(const Vec3& v, double length) { return {v[0] / length, v[1] / length, v[2] / length}; }

}  // namespace

SliceView::SliceView(Workspace& workspace, render::RenderQueue& queue, QWidget* parent)
    : QWidget(parent), workspace_(workspace), queue_(queue) {
  setAccessibleName(accessible_text());
  setMouseTracking(true);
  setFocusPolicy(Qt::StrongFocus);
  setMinimumSize(120, 120);
  setAttribute(Qt::WA_OpaquePaintEvent);
  refine_.setSingleShot(true);
  refine_.setInterval(kRefineMs);
  connect(&refine_, &QTimer::timeout, this, &SliceView::ask);
  connect(&workspace_, &Workspace::scene_changed, this, &SliceView::ask);
  connect(&workspace_, &Workspace::view_changed, this, [this] {
    ask();
    update();
  });
}

SliceView::~SliceView() {
  queue_.forget(this);
  workspace_.fetcher().forget(this);
}

void SliceView::show_content(render::Plane plane, render::Content content) {
  plane_ = plane;
  content_ = content;
  picture_ = {};
  setAccessibleName(accessible_text());
  setObjectName(QStringLiteral("view_%1").arg(QString::fromStdString(render::name_of(plane))) +
                (content == render::Content::compare
                     ? QString()
                     : QStringLiteral("_%1").arg(static_cast<int>(content))));
  ask();
}

QString SliceView::accessible_text() const {
  QString plane = plane_ == render::Plane::axial     ? tr("Axial")
                  : plane_ == render::Plane::coronal ? tr("Coronal")
                                                     : tr("Sagittal");
  switch (content_) {
    case render::Content::fixed: return tr("%1 · fixed").arg(plane);
    case render::Content::moving: return tr("%1 · moving").arg(plane);
    case render::Content::warped: return tr("%1 · warped").arg(plane);
    case render::Content::compare: break;
  }
  return plane;
}

/// How fine the picture is, after its title.
QString SliceView::streaming_text() const {
  QString level;
  if (limited_)
    level = tr(" · level %1, for more memory see Settings").arg(level_);
  else if (level_ > 0)
    level = tr(" · level %1").arg(level_);
  return refining_ ? tr("%1 …").arg(level) : level;
}

void SliceView::set_base_pixel_mm(double pixel_mm) {
  if (pixel_mm == base_pixel_mm_) return;
  base_pixel_mm_ = pixel_mm;
  ask();
  update();
}

void SliceView::set_aligning(bool aligning) {
  aligning_ = aligning;
  update();
}

render::SliceGeometry SliceView::geometry() const {
  const Grid* grid = workspace_.reference();
  if (grid == nullptr) return {};
  const ViewState& view = workspace_.view();
  return render::view_geometry(
      *grid, {plane_, view.cursor_mm, view.centre_mm, base_pixel_mm_ / view.zoom, width(), height(),
              view.neurological, view.turn});
}

void SliceView::ask() {
  const Grid* grid = workspace_.reference();
  if (grid == nullptr || !isVisible() || width() < 2 || height() < 2) {
    if (grid == nullptr) picture_ = {};
    update();
    return;
  }
  const double ratio = devicePixelRatioF();
  const ViewState& view = workspace_.view();
  const render::SliceGeometry wanted = render::view_geometry(
      *grid, {plane_, view.cursor_mm, view.centre_mm, base_pixel_mm_ / view.zoom / ratio,
              static_cast<int>(std::lround(width() * ratio)),
              static_cast<int>(std::lround(height() * ratio)), view.neurological, view.turn});
  const quint64 serial = ++wanted_;
  render::BrickFetcher& fetcher = workspace_.fetcher();
  auto streaming = std::make_shared<render::Streaming>();
  const auto scene = std::make_shared<const render::Scene>(workspace_.scene());
  const bool looked_at = underMouse() || hasFocus();
  queue_.request(
      this,
      [scene, content = content_, wanted, streaming, &fetcher](const std::stop_token& stop) {
        const int images = render::streamed_images(*scene, content);
        *streaming = {};
        if (images > 0) streaming->share_bytes = fetcher.share_bytes(images);
        return render::compose(*scene, content, wanted, stop, streaming.get());
      },
      [this, scene, content = content_, wanted, serial, streaming, looked_at,
       side = scroll_side(wanted), &fetcher](QImage picture) {
        // Until forget() of the queue is back, this view is there.
        if (streaming->images == 0)
          fetcher.forget(this);
        else
          fetcher.want(this, streaming->missing, looked_at, [this] {
            QMetaObject::invokeMethod(this, &SliceView::brick_arrived, Qt::QueuedConnection);
          });
        if (streaming->images > 0 && streaming->missing.empty() && side != 0)
          fetcher.read_ahead(
              this, render::bricks_ahead(*scene, content, wanted, side, streaming->share_bytes));
        QMetaObject::invokeMethod(
            this,
            [this, wanted, serial, streaming, drawn = std::move(picture)] {
              accept(drawn, wanted, serial, *streaming);
            },
            Qt::QueuedConnection);
      });
}

void SliceView::accept(QImage picture, const render::SliceGeometry& geometry, quint64 serial,
                       const render::Streaming& streaming) {
  if (workspace_.reference() == nullptr) return;
  picture_ = std::move(picture);
  picture_geometry_ = geometry;
  shown_ = serial;
  refining_ = !streaming.missing.empty();
  limited_ = streaming.limited;
  level_ = streaming.level;
  if (streaming.images > 0) {
    workspace_.tell_damage();
    Q_EMIT workspace_.bricks_arrived();
  }
  update();
  Q_EMIT picture_shown();
}

/// Which side of the picture on screen the next one lies: +1 where right x down points, -1 on the
/// other, 0 in the same plane.
int SliceView::scroll_side(const render::SliceGeometry& next) const {
  if (picture_.isNull()) return 0;
  const render::SliceGeometry& now = picture_geometry_;
  const Vec3 &r = next.right_mm, &d = next.down_mm;
  const Vec3 across{r[1] * d[2] - r[2] * d[1], r[2] * d[0] - r[0] * d[2],
                    r[0] * d[1] - r[1] * d[0]};
  const Vec3 from = now.at(0.5 * now.width, 0.5 * now.height),
             to = next.at(0.5 * next.width, 0.5 * next.height);
  double along = 0;
  for (std::size_t a = 0; a < 3; ++a) along += across[a] * (to[a] - from[a]);
  const double least = 1e-6 * next.pixel_mm * next.pixel_mm * next.pixel_mm;
  return along > least ? 1 : along < -least ? -1 : 0;
}

void SliceView::brick_arrived() {
  if (!refine_.isActive()) refine_.start();
}

void SliceView::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.fillRect(rect(), QColor(render::kBackground));
  if (workspace_.reference() == nullptr) return;
  const render::SliceGeometry now = geometry();
  if (!picture_.isNull()) {
    // The picture may be of where the view was a moment ago: put it where it belongs now.
    const double scale = picture_geometry_.pixel_mm / now.pixel_mm;
    const auto corner = render::pixel_of(now, picture_geometry_.at(-0.5, -0.5));
    const QRectF target(corner.column + 0.5, corner.row + 0.5, picture_.width() * scale,
                        picture_.height() * scale);
    const bool same = std::abs(target.x()) < 0.01 && std::abs(target.y()) < 0.01 &&
                      std::abs(target.width() - width()) < 0.51;
    if (same && devicePixelRatioF() == 1)
      painter.drawImage(0, 0, picture_);
    else
      painter.drawImage(target, picture_);
  }
  Decorations decorations;
  decorations.geometry = now;
  decorations.title =
      workspace_.view().is_oblique() ? tr("%1, oblique").arg(accessible_text()) : accessible_text();
  decorations.title += streaming_text();
  decorations.swipe = workspace_.display().mode == render::CompareMode::swipe &&
                      content_ == render::Content::compare && workspace_.display().overlay &&
                      workspace_.layers().is_ready(LayerRole::moving);
  decorations.aligning = aligning_ && content_ == render::Content::compare;
  draw_decorations(painter, decorations, workspace_, content_);
  if (hasFocus()) {
    painter.setRenderHint(QPainter::Antialiasing, false);
    painter.setPen(QPen(palette().color(QPalette::Highlight), 1));
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(rect().adjusted(0, 0, -1, -1));
  }
}

void SliceView::resizeEvent(QResizeEvent*) { ask(); }
void SliceView::showEvent(QShowEvent*) { ask(); }

/// What nobody sees is not read.
void SliceView::hideEvent(QHideEvent*) {
  queue_.forget(this);
  workspace_.fetcher().forget(this);
}

Vec3 SliceView::world_at(const QPointF& position) const {
  return geometry().at(position.x() - 0.5, position.y() - 0.5);
}

SliceView::Drag SliceView::drag_for(const QMouseEvent& event) const {
  const Qt::KeyboardModifiers keys = event.modifiers();
  if (event.button() == Qt::MiddleButton) return Drag::pan;
  if (event.button() == Qt::RightButton) return Drag::window;
  if (event.button() != Qt::LeftButton) return Drag::none;
  if (keys & Qt::ControlModifier) return Drag::pan;
  if (keys & Qt::ShiftModifier) return Drag::window;
  const DisplayState& display = workspace_.display();
  if (display.turning)
    for (const QPointF& handle : plane_handles(geometry(), workspace_))
      if (QLineF(handle, event.position()).length() < kSwipeReach) return Drag::turn;
  if (content_ == render::Content::compare && display.overlay) {
    if (aligning_) {
      const QPointF off = event.position() - QPointF(0.5 * width(), 0.5 * height());
      return std::hypot(off.x(), off.y()) <= handle_radius(size()) ? Drag::move : Drag::rotate;
    }
    if (display.mode == render::CompareMode::swipe &&
        std::abs(event.position().x() - display.swipe * width()) < kSwipeReach)
      return Drag::swipe;
  }
  return Drag::cursor;
}

void SliceView::mousePressEvent(QMouseEvent* event) {
  if (workspace_.reference() == nullptr) return;
  workspace_.begin_gesture();
  drag_ = drag_for(*event);
  last_ = event->position();
  if (drag_ == Drag::cursor) workspace_.set_cursor(world_at(last_));
}

void SliceView::mouseMoveEvent(QMouseEvent* event) {
  if (workspace_.reference() == nullptr) return;
  const QPointF now = event->position();
  switch (drag_) {
    case Drag::none: break;
    case Drag::cursor: workspace_.set_cursor(world_at(now)); break;
    case Drag::pan: {
      const Vec3 from = world_at(now), to = world_at(last_);
      Vec3 centre = workspace_.view().centre_mm;
      for (int a = 0; a < 3; ++a) centre[a] += to[a] - from[a];
      workspace_.set_centre(centre);
      break;
    }
    case Drag::window: drag_window((now - last_).toPoint()); break;
    case Drag::swipe: {
      DisplayState display = workspace_.display();
      display.swipe = std::clamp(now.x() / width(), 0.0, 1.0);
      workspace_.set_display(display);
      break;
    }
    case Drag::move:
    case Drag::rotate: drag_alignment(last_, now); break;
    case Drag::turn: drag_planes(last_, now); break;
  }
  last_ = now;
  Q_EMIT hovered(drag_ == Drag::none ? world_at(now) : workspace_.view().cursor_mm);
}

void SliceView::mouseReleaseEvent(QMouseEvent*) { drag_ = Drag::none; }

void SliceView::leaveEvent(QEvent*) { Q_EMIT left(); }

void SliceView::wheelEvent(QWheelEvent* event) {
  if (workspace_.reference() == nullptr) return;
  event->accept();
  if (event->modifiers() & Qt::ControlModifier) {
    // The point under the pointer stays there.
    const Vec3 before = world_at(event->position());
    workspace_.set_zoom(workspace_.view().zoom *
                        std::pow(1.2, event->angleDelta().y() / static_cast<double>(kWheelStep)));
    const Vec3 after = world_at(event->position());
    Vec3 centre = workspace_.view().centre_mm;
    for (int a = 0; a < 3; ++a) centre[a] += before[a] - after[a];
    workspace_.set_centre(centre);
    return;
  }
  wheel_rest_ += event->angleDelta().y();
  const int steps = wheel_rest_ / kWheelStep;
  wheel_rest_ -= steps * kWheelStep;
  if (steps != 0) workspace_.step(plane_, steps);
}

/// Right: wider, up: darker; the whole range over 400 pixels.
void SliceView::drag_window(const QPoint& delta) {
  const bool moving = content_ == render::Content::moving || content_ == render::Content::warped ||
                      !workspace_.layers().is_ready(LayerRole::fixed);
  std::vector<LayerLook> looks;
  const auto change = [&](LayerRole role) {
    const Layer& layer = workspace_.layers().layer(role);
    if (layer.state != Layer::State::ready) return;
    const double range = layer.percentiles.high - layer.percentiles.low;
    const double unit_step = range / 400;
    const double middle = 0.5 * (layer.window.low + layer.window.high) + unit_step * delta.y();
    const double width =
        std::max(0.01 * range, layer.window.high - layer.window.low + unit_step * delta.x());
    LayerLook look = workspace_.look_of(role);
    look.window = {middle - 0.5 * width, middle + 0.5 * width};
    looks.push_back(look);
  };
  change(moving ? LayerRole::moving : LayerRole::fixed);
  if (content_ == render::Content::compare && !moving) change(LayerRole::moving);
  if (!looks.empty()) workspace_.change_looks(looks, tr("Window"));
}

double SliceView::angle_between(const QPointF& from, const QPointF& to) const {
  const auto at = render::pixel_of(geometry(), workspace_.view().cursor_mm);
  const QPointF middle(at.column + 0.5, at.row + 0.5);
  const auto angle = [&](const QPointF& p) {
    return std::atan2(p.y() - middle.y(), p.x() - middle.x());
  };
  return std::remainder(angle(to) - angle(from), 2 * std::numbers::pi);
}

/// The two other planes turn with their lines in this view.
void SliceView::drag_planes(const QPointF& from, const QPointF& to) {
  const render::PlaneDirections d = workspace_.directions(plane_);
  const Vec3 axis{d.right[1] * d.down[2] - d.right[2] * d.down[1],
                  d.right[2] * d.down[0] - d.right[0] * d.down[2],
                  d.right[0] * d.down[1] - d.right[1] * d.down[0]};
  const double side =
      axis[0] * d.normal[0] + axis[1] * d.normal[1] + axis[2] * d.normal[2] < 0 ? -1 : 1;
  workspace_.turn_planes(plane_, side * angle_between(from, to));
}

/// The moving image follows the pointer: fixed points map to moving ones, so the alignment takes
/// the inverse of what the picture does.
void SliceView::drag_alignment(const QPointF& from, const QPointF& to) {
  const Vec3 a = world_at(from), b = world_at(to);
  Affine change;
  if (drag_ == Drag::move) {
    for (int i = 0; i < 3; ++i) change.offset[i] = a[i] - b[i];
  } else {
    const QPointF middle(0.5 * width(), 0.5 * height());
    const auto angle = [&](const QPointF& p) {
      return std::atan2(p.y() - middle.y(), p.x() - middle.x());
    };
    const render::SliceGeometry g = geometry();
    const Vec3 right = unit(g.right_mm, g.pixel_mm), down = unit(g.down_mm, g.pixel_mm);
    const Vec3 axis{right[1] * down[2] - right[2] * down[1],
                    right[2] * down[0] - right[0] * down[2],
                    right[0] * down[1] - right[1] * down[0]};
    const double turn = std::remainder(angle(to) - angle(from), 2 * std::numbers::pi);
    change = rotation_about(world_at(middle), axis, -turn);
  }
  workspace_.change_alignment(workspace_.alignment() * change,
                              drag_ == Drag::move ? tr("Move by hand") : tr("Rotate by hand"));
}

}  // namespace gigawarp::ui

#include "ui/views/view_grid.h"

#include <QEvent>
#include <QTimer>
#include <algorithm>

namespace gigawarp::ui {
namespace {

constexpr int kViews = 9;  // fixed, moving, warped in three planes
constexpr render::Plane kPlanes[3] = {render::Plane::axial, render::Plane::coronal,
                                      render::Plane::sagittal};
constexpr render::Content kColumns[3] = {render::Content::fixed, render::Content::moving,
                                         render::Content::warped};

}  // namespace

ViewGrid::ViewGrid(Workspace& workspace, render::RenderQueue& queue, QWidget* parent)
    : QWidget(parent), workspace_(workspace), grid_(new QGridLayout(this)) {
  grid_->setContentsMargins(0, 0, 0, 0);
  grid_->setSpacing(2);
  for (int i = 0; i < kViews; ++i) {
    auto* view = new SliceView(workspace_, queue, this);
    view->installEventFilter(this);
    connect(view, &SliceView::hovered, this, &ViewGrid::hovered);
    connect(view, &SliceView::left, this, &ViewGrid::left);
    view->hide();
    views_.push_back(view);
  }
  active_ = views_.front();
  connect(&workspace_, &Workspace::reference_changed, this, &ViewGrid::share_scale);
  set_layout(ViewLayout::four);
}

std::vector<SliceView*> ViewGrid::shown() const {
  std::vector<SliceView*> list;
  for (SliceView* view : views_)
    if (!view->isHidden()) list.push_back(view);
  return list;
}

void ViewGrid::set_companion(QWidget* companion) {
  companion_ = companion;
  companion_->setParent(this);
  companion_->installEventFilter(this);
  set_layout(kind_);
}

QWidget* ViewGrid::focus_view() const {
  return companion_is_active_ ? companion_ : static_cast<QWidget*>(active_);
}

void ViewGrid::place(SliceView* view, int row, int column, render::Plane plane,
                     render::Content content) {
  if (view->plane() != plane || view->content() != content || view->objectName().isEmpty())
    view->show_content(plane, content);
  grid_->addWidget(view, row, column);
  view->show();
}

void ViewGrid::set_layout(ViewLayout layout) {
  const render::Plane focus = active_->plane();
  kind_ = layout;
  while (grid_->count() > 0) delete grid_->takeAt(0);
  for (SliceView* view : views_) view->hide();
  if (companion_ != nullptr) companion_->hide();
  for (int i = 0; i < 3; ++i) {
    grid_->setRowStretch(i, 0);
    grid_->setColumnStretch(i, 0);
  }
  const auto stretch = [this](int rows, int columns) {
    for (int i = 0; i < rows; ++i) grid_->setRowStretch(i, 1);
    for (int i = 0; i < columns; ++i) grid_->setColumnStretch(i, 1);
  };
  const auto compare = render::Content::compare;
  switch (layout) {
    case ViewLayout::four:
      place(views_[0], 0, 0, render::Plane::axial, compare);
      place(views_[1], 0, 1, render::Plane::sagittal, compare);
      place(views_[2], 1, 0, render::Plane::coronal, compare);
      if (companion_ != nullptr) {
        grid_->addWidget(companion_, 1, 1);
        companion_->show();
      }
      stretch(2, 2);
      break;
    case ViewLayout::one:
      if (focus_view() == companion_) {
        grid_->addWidget(companion_, 0, 0);
        companion_->show();
      } else {
        place(views_[0], 0, 0, focus, compare);
      }
      stretch(1, 1);
      break;
    case ViewLayout::three:
      for (int i = 0; i < 3; ++i)
        place(views_[static_cast<std::size_t>(i)], 0, i, kPlanes[i], compare);
      stretch(1, 3);
      break;
    case ViewLayout::columns:
      for (std::size_t i = 0; i < views_.size(); ++i)
        place(views_[i], static_cast<int>(i / 3), static_cast<int>(i % 3), kPlanes[i / 3],
              kColumns[i % 3]);
      stretch(3, 3);
      break;
  }
  if (active_->isHidden()) active_ = views_.front();
  grid_->activate();
  share_scale();
  Q_EMIT layout_changed();
}

void ViewGrid::set_aligning(bool aligning) {
  for (SliceView* view : views_) view->set_aligning(aligning);
}

void ViewGrid::share_scale() {
  const Grid* grid = workspace_.reference();
  if (grid == nullptr) return;
  double pixel_mm = 0;
  for (const SliceView* view : shown())
    pixel_mm = std::max(
        pixel_mm, render::fitting_pixel_mm(*grid, view->plane(), view->width(), view->height()));
  for (SliceView* view : shown()) view->set_base_pixel_mm(pixel_mm);
}

void ViewGrid::resizeEvent(QResizeEvent*) { QTimer::singleShot(0, this, &ViewGrid::share_scale); }

bool ViewGrid::eventFilter(QObject* watched, QEvent* event) {
  const QEvent::Type type = event->type();
  if (watched == companion_) {
    // The mouse rests over the companion on its way elsewhere, and a new window gives it the focus:
    // only what a person does to it counts.
    if (type == QEvent::MouseButtonPress || type == QEvent::KeyPress) companion_is_active_ = true;
  } else if (type == QEvent::FocusIn || type == QEvent::MouseButtonPress || type == QEvent::Enter) {
    companion_is_active_ = false;
    active_ = static_cast<SliceView*>(watched);
  }
  return QWidget::eventFilter(watched, event);
}

}  // namespace gigawarp::ui

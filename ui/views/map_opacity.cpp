#include "ui/views/map_opacity.h"

#include <QFormLayout>
#include <QHBoxLayout>
#include <QSignalBlocker>
#include <cmath>

namespace gigawarp::ui {

MapOpacity::MapOpacity(Workspace& workspace, QWidget* parent)
    : QGroupBox(parent),
      workspace_(workspace),
      slider_(new QSlider(Qt::Horizontal, this)),
      percent_(new QLabel(this)) {
  setObjectName(QStringLiteral("map_box"));
  slider_->setObjectName(QStringLiteral("map_opacity"));
  slider_->setRange(0, 100);
  slider_->setAccessibleName(tr("Opacity of the map"));
  slider_->setToolTip(tr("How much of the map is seen over the images. Folds stay in full."));
  percent_->setMinimumWidth(percent_->fontMetrics().horizontalAdvance(tr("%1 %").arg(100)));
  percent_->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
  auto* row = new QHBoxLayout;
  row->addWidget(slider_, 1);
  row->addWidget(percent_);
  auto* form = new QFormLayout(this);
  form->addRow(tr("Opacity"), row);
  connect(slider_, &QSlider::sliderPressed, this, [this] { workspace_.begin_gesture(); });
  connect(slider_, &QSlider::valueChanged, this, &MapOpacity::apply);
  connect(&workspace_, &Workspace::scene_changed, this, &MapOpacity::follow);  // maps come and go
  follow();
}

void MapOpacity::apply(int percent) {
  DisplayState display = workspace_.display();
  display.map_opacity = percent / 100.0;
  if (!slider_->isSliderDown()) workspace_.begin_gesture();
  workspace_.change_display(display, tr("Opacity of the map"));
}

void MapOpacity::follow() {
  const DisplayState& display = workspace_.display();
  switch (display.map) {
    case MapChoice::none: break;
    case MapChoice::jacobian: setTitle(tr("Map: det J")); break;
    case MapChoice::local_ncc: setTitle(tr("Map: local correlation")); break;
    case MapChoice::inverse_error: setTitle(tr("Map: inverse error")); break;
    case MapChoice::run_difference: setTitle(tr("Map: difference of the runs")); break;
  }
  setVisible(display.map != MapChoice::none && workspace_.has_map(display.map));
  const QSignalBlocker quiet(slider_);
  slider_->setValue(static_cast<int>(std::lround(100 * display.map_opacity)));
  percent_->setText(tr("%1 %").arg(slider_->value()));
}

}  // namespace gigawarp::ui

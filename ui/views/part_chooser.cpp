#include "ui/views/part_chooser.h"

#include <QFormLayout>
#include <array>

namespace gigawarp::ui {

PartChooser::PartChooser(QWidget* parent)
    : QWidget(parent),
      channel_(new QComboBox(this)),
      level_(new QComboBox(this)),
      timepoint_(new QSpinBox(this)) {
  auto* form = new QFormLayout(this);
  form->setContentsMargins(0, 0, 0, 0);
  form->setFieldGrowthPolicy(QFormLayout::ExpandingFieldsGrow);
  channel_->setObjectName(QStringLiteral("channel"));
  channel_->setAccessibleName(tr("Channel"));
  channel_->setToolTip(tr("The channel that is shown and registered"));
  form->addRow(tr("Channel"), channel_);
  timepoint_->setObjectName(QStringLiteral("timepoint"));
  timepoint_->setAccessibleName(tr("Time point"));
  timepoint_->setToolTip(tr("The time point that is shown and registered, counted from 0"));
  timepoint_->setKeyboardTracking(false);
  form->addRow(tr("Time point"), timepoint_);
  level_->setObjectName(QStringLiteral("level"));
  level_->setAccessibleName(tr("Finest level"));
  level_->setToolTip(
      tr("The finest level that is shown, and the one that is registered: a coarser one takes less "
         "memory and time"));
  level_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
  level_->setMinimumContentsLength(12);
  form->addRow(tr("Finest level"), level_);
  connect(channel_, &QComboBox::activated, this, &PartChooser::tell);
  connect(level_, &QComboBox::activated, this, &PartChooser::tell);
  connect(timepoint_, &QSpinBox::valueChanged, this, &PartChooser::tell);
}

void PartChooser::tell() {
  if (updating_) return;
  ImageSelection selection;
  if (channel_->count() > 1) selection.channel = channel_->currentIndex();
  if (timepoint_->maximum() > 0) selection.timepoint = timepoint_->value();
  if (level_->currentIndex() > 0) selection.level = level_->currentIndex();
  Q_EMIT chosen(selection);
}

void PartChooser::show_parts_of(const Layer& layer) {
  updating_ = true;
  channel_->clear();
  for (int c = 0; c < layer.parts.channels; ++c) {
    const auto index = static_cast<std::size_t>(c);
    const bool named =
        index < layer.parts.channel_names.size() && !layer.parts.channel_names[index].empty();
    const QString name = channel_text(layer, c);  // files may call all of them the same
    channel_->addItem(named ? QStringLiteral("%1: %2").arg(c).arg(name) : name);
  }
  channel_->setCurrentIndex(layer.selection.channel.value_or(0));
  timepoint_->setRange(0, layer.parts.timepoints - 1);
  timepoint_->setSuffix(tr(" of 0 to %1").arg(layer.parts.timepoints - 1));
  timepoint_->setValue(layer.selection.timepoint.value_or(0));
  level_->clear();
  for (std::size_t l = 0; l < layer.levels.size(); ++l) {
    const Grid& grid = layer.levels[l];
    level_->addItem(tr("%1: %2 × %3 × %4, %5")
                        .arg(l)
                        .arg(grid.size[0])
                        .arg(grid.size[1])
                        .arg(grid.size[2])
                        .arg(spacing_text(grid.spacing_mm())));
  }
  level_->setCurrentIndex(layer.selection.level.value_or(0));
  const bool image = layer.state == Layer::State::ready && layer.volume != nullptr;
  const std::array shown{image && layer.parts.channels > 1, image && layer.parts.timepoints > 1,
                         image && layer.levels.size() > 1};
  auto* form = static_cast<QFormLayout*>(layout());
  has_choice_ = false;
  for (int row = 0; row < 3; ++row) {
    form->setRowVisible(row, shown.at(static_cast<std::size_t>(row)));
    has_choice_ = has_choice_ || shown.at(static_cast<std::size_t>(row));
  }
  updating_ = false;
}

}  // namespace gigawarp::ui

#include "ui/views/data_panel.h"

#include <QDragEnterEvent>
#include <QDropEvent>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QMenu>
#include <QMimeData>
#include <QScrollArea>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "ui/models/address.h"
#include "ui/views/map_opacity.h"

namespace gigawarp::ui {

namespace {
QString opacity_hint(LayerRole role) {
  if (is_image(role))
    return DataPanel::tr(
        "How much of the image is seen over what is below it: the other image, then the ground. "
        "The difference is not faded.");
  return is_label_map(role)
             ? DataPanel::tr("How much of the areas is seen over the images; their outlines stay")
             : DataPanel::tr("How much of the outline is seen over the images");
}
}  // namespace

DataPanel::DataPanel(Workspace& workspace, QWidget* parent)
    : QWidget(parent), workspace_(workspace), list_(new QTreeView(this)) {
  setObjectName(QStringLiteral("data_panel"));
  list_->setObjectName(QStringLiteral("layers"));
  list_->setAccessibleName(tr("Layers"));
  list_->setModel(&workspace_.layers());
  list_->setRootIsDecorated(false);
  list_->setUniformRowHeights(true);
  list_->setAlternatingRowColors(true);
  list_->setAcceptDrops(true);
  list_->setContextMenuPolicy(Qt::CustomContextMenu);
  list_->setTextElideMode(Qt::ElideMiddle);
  list_->viewport()->setAcceptDrops(true);
  list_->viewport()->installEventFilter(this);
  list_->header()->setSectionResizeMode(LayerModel::name_column, QHeaderView::ResizeToContents);
  list_->header()->setStretchLastSection(true);
  list_->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  list_->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  list_->setFixedHeight(list_->header()->sizeHint().height() +
                        kLayerRoles * list_->sizeHintForRow(0) + 4);
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(6, 6, 6, 6);
  column->addWidget(list_);
  column->addWidget(make_details());
  column->addWidget(new MapOpacity(workspace_, this));
  column->addStretch(1);
  connect(list_, &QTreeView::doubleClicked, this, [this](const QModelIndex& index) {
    Q_EMIT file_wanted(static_cast<LayerRole>(index.row()));
  });
  connect(list_, &QTreeView::customContextMenuRequested, this, &DataPanel::show_menu);
  connect(list_->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
          &DataPanel::show_details);
  connect(&workspace_.layers(), &LayerModel::layer_changed, this, [this](LayerRole role) {
    if (role == chosen()) show_details();
  });
  list_->setCurrentIndex(workspace_.layers().index(0, 0));
}

LayerRole DataPanel::chosen() const {
  return static_cast<LayerRole>(std::max(0, list_->currentIndex().row()));
}

QWidget* DataPanel::make_details() {
  details_ = new QGroupBox(this);
  auto* form = new QFormLayout(details_);
  form->setFieldGrowthPolicy(QFormLayout::ExpandingFieldsGrow);
  description_ = new QLabel(details_);
  description_->setWordWrap(true);
  description_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  form->addRow(description_);
  parts_ = new PartChooser(details_);
  form->addRow(parts_);
  connect(parts_, &PartChooser::chosen, this,
          [this](const ImageSelection& selection) { workspace_.choose_part(chosen(), selection); });
  const auto number = [this](const QString& name) {
    auto* box = new QDoubleSpinBox(details_);
    box->setRange(-1e12, 1e12);
    box->setDecimals(2);
    box->setKeyboardTracking(false);
    box->setAccessibleName(name);
    box->setButtonSymbols(QAbstractSpinBox::NoButtons);
    box->setMinimumWidth(54);
    connect(box, &QDoubleSpinBox::valueChanged, this, &DataPanel::apply_window);
    return box;
  };
  low_ = number(tr("Shown black"));
  high_ = number(tr("Shown white"));
  low_->setObjectName(QStringLiteral("window_low"));
  high_->setObjectName(QStringLiteral("window_high"));
  percentile_ = new QPushButton(tr("1–99 %"), details_);
  percentile_->setMinimumWidth(60);
  percentile_->setObjectName(QStringLiteral("window_percentile"));
  percentile_->setToolTip(tr("Window from the 1st to the 99th percentile"));
  connect(percentile_, &QPushButton::clicked, this, [this] {
    const render::Window window = workspace_.layers().layer(chosen()).percentiles;
    workspace_.begin_gesture();
    change_look(tr("Window"), [&](LayerLook& look) { look.window = window; });
  });
  window_row_ = new QWidget(details_);
  auto* row = new QHBoxLayout(window_row_);
  row->setContentsMargins(0, 0, 0, 0);
  row->addWidget(low_, 1);
  row->addWidget(new QLabel(QStringLiteral("–"), window_row_));
  row->addWidget(high_, 1);
  row->addWidget(percentile_);
  form->addRow(tr("Window"), window_row_);
  map_ = new QComboBox(details_);
  map_->addItems({tr("Grey"), tr("Diverging"), tr("Sequential")});
  map_->setAccessibleName(tr("Colour map"));
  map_row_ = map_;
  form->addRow(tr("Colours"), map_);
  connect(map_, &QComboBox::activated, this, [this](int choice) {
    workspace_.begin_gesture();
    change_look(tr("Colours"),
                [&](LayerLook& look) { look.map = static_cast<render::ColourMap>(choice); });
  });
  opacity_ = new QSlider(Qt::Horizontal, details_);
  opacity_->setRange(0, 100);
  opacity_->setObjectName(QStringLiteral("opacity"));
  opacity_->setAccessibleName(tr("Opacity"));
  percent_ = new QLabel(details_);
  percent_->setMinimumWidth(percent_->fontMetrics().horizontalAdvance(tr("%1 %").arg(100)));
  percent_->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
  opacity_row_ = new QWidget(details_);
  auto* cover = new QHBoxLayout(opacity_row_);
  cover->setContentsMargins(0, 0, 0, 0);
  cover->addWidget(opacity_, 1);
  cover->addWidget(percent_);
  form->addRow(tr("Opacity"), opacity_row_);
  connect(opacity_, &QSlider::valueChanged, this, [this](int percent) {
    if (updating_) return;
    if (!opacity_->isSliderDown()) workspace_.begin_gesture();
    change_look(tr("Opacity"), [&](LayerLook& look) { look.opacity = percent / 100.0; });
  });
  connect(opacity_, &QSlider::sliderPressed, this, [this] { workspace_.begin_gesture(); });
  names_ = new QPushButton(tr("Choose a file…"), details_);
  names_->setObjectName(QStringLiteral("label_names"));
  names_->setAccessibleName(tr("Names of the labels"));
  names_->setToolTip(
      tr("Names and colours of the labels: label descriptions of ITK-SNAP, tables of FreeSurfer, "
         "CSV (index,name) or BIDS _dseg.tsv. A file of the volume's name beside it is taken by "
         "itself; others can be dropped here."));
  connect(names_, &QPushButton::clicked, this, [this] { Q_EMIT names_wanted(chosen()); });
  form->addRow(tr("Names"), names_);
  return details_;
}

void DataPanel::change_look(const QString& text, const std::function<void(LayerLook&)>& edit) {
  if (!workspace_.layers().is_ready(chosen())) return;
  LayerLook look = workspace_.look_of(chosen());
  edit(look);
  workspace_.change_looks({look}, text);
}

void DataPanel::apply_window() {
  if (updating_) return;
  const render::Window window{low_->value(), high_->value()};
  workspace_.begin_gesture();
  change_look(tr("Window"), [&](LayerLook& look) { look.window = window; });
}

void DataPanel::show_details() {
  updating_ = true;
  const LayerRole role = chosen();
  const Layer& layer = workspace_.layers().layer(role);
  const bool ready = layer.state == Layer::State::ready;
  details_->setTitle(title_of(role));
  const QString nothing =
      layer.state == Layer::State::loading
          ? tr("Reading …")
          : tr("Nothing here yet. Drop a file on the row above, or double-click "
               "it to choose one.");
  const QStringList lines = description_of(layer);
  description_->setText(lines.isEmpty() ? nothing : lines.join(QLatin1Char('\n')));
  auto* form = static_cast<QFormLayout*>(details_->layout());
  parts_->show_parts_of(layer);
  form->setRowVisible(parts_, is_image(role) && parts_->has_choice());
  form->setRowVisible(window_row_, ready && is_image(role));
  form->setRowVisible(map_row_, ready && is_image(role));
  form->setRowVisible(opacity_row_, ready && !is_landmarks(role));
  form->setRowVisible(names_, ready && is_label_map(role));
  opacity_->setToolTip(opacity_hint(role));
  const double range = layer.range.high - layer.range.low;
  const int decimals =
      range > 0 ? std::clamp(2 - static_cast<int>(std::floor(std::log10(range))), 0, 6) : 2;
  for (QDoubleSpinBox* box : {low_, high_}) {
    box->setDecimals(decimals);
    box->setSingleStep(range / 100);
  }
  low_->setValue(layer.window.low);
  high_->setValue(layer.window.high);
  map_->setCurrentIndex(static_cast<int>(layer.map));
  opacity_->setValue(static_cast<int>(std::lround(100 * layer.opacity)));
  percent_->setText(tr("%1 %").arg(opacity_->value()));
  updating_ = false;
}

void DataPanel::show_menu(const QPoint& at) {
  const QModelIndex index = list_->indexAt(at);
  if (!index.isValid()) return;
  const auto role = static_cast<LayerRole>(index.row());
  auto* menu = new QMenu(this);
  menu->setAttribute(Qt::WA_DeleteOnClose);
  menu->addAction(tr("Choose a file…"), this, [this, role] { Q_EMIT file_wanted(role); });
  QAction* address = menu->addAction(tr("Choose an address…"), this,
                                     [this, role] { Q_EMIT address_wanted(role); });
  address->setEnabled(!is_landmarks(role));
  QAction* size =
      menu->addAction(tr("Voxel size…"), this, [this, role] { Q_EMIT voxel_size_wanted(role); });
  size->setEnabled(!is_landmarks(role) && !workspace_.layers().layer(role).path.isEmpty());
  if (is_label_map(role)) {
    const Layer& labels = workspace_.layers().layer(role);
    QAction* names = menu->addAction(tr("Names of the labels…"), this,
                                     [this, role] { Q_EMIT names_wanted(role); });
    names->setEnabled(labels.state == Layer::State::ready);
    QAction* forget = menu->addAction(tr("Forget the names"), this,
                                      [this, role] { workspace_.forget_names(role); });
    forget->setEnabled(!labels.names.path.isEmpty());
  }
  QAction* close =
      menu->addAction(tr("Close"), this, [this, role] { workspace_.close_layer(role); });
  close->setEnabled(workspace_.layers().layer(role).state != Layer::State::empty);
  menu->popup(list_->viewport()->mapToGlobal(at));
}

/// A file dropped on a row becomes that layer.
bool DataPanel::eventFilter(QObject* watched, QEvent* event) {
  if (event->type() == QEvent::DragEnter || event->type() == QEvent::DragMove) {
    auto* drag = static_cast<QDragMoveEvent*>(event);
    if (!paths_of(*drag->mimeData()).isEmpty()) drag->acceptProposedAction();
    return true;
  }
  if (event->type() == QEvent::Drop) {
    auto* drop = static_cast<QDropEvent*>(event);
    const QModelIndex index = list_->indexAt(drop->position().toPoint());
    const QStringList paths = paths_of(*drop->mimeData());
    drop->acceptProposedAction();
    if (index.isValid() && paths.size() == 1)
      workspace_.open_as(static_cast<LayerRole>(index.row()), paths.front());
    else
      workspace_.open(paths);
    return true;
  }
  return QWidget::eventFilter(watched, event);
}

}  // namespace gigawarp::ui

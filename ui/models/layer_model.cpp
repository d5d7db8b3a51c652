#include "ui/models/layer_model.h"

#include <QColor>
#include <QFileInfo>
#include <utility>

namespace gigawarp::ui {

LayerModel::LayerModel(QObject* parent) : QAbstractTableModel(parent) {}

void LayerModel::set_layer(LayerRole role, Layer layer) {
  layers_[index_of(role)] = std::move(layer);
  announce(role);
}

void LayerModel::announce(LayerRole role) {
  const int row = static_cast<int>(role);
  Q_EMIT dataChanged(index(row, 0), index(row, column_count - 1));
  Q_EMIT layer_changed(role);
}

int LayerModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : kLayerRoles;
}

int LayerModel::columnCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : column_count;
}

QVariant LayerModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const auto what = static_cast<LayerRole>(index.row());
  const Layer& layer = layers_[index_of(what)];
  const bool is_name = index.column() == name_column;
  switch (role) {
    case Qt::DisplayRole:
      if (is_name) return title_of(what);
      switch (layer.state) {
        case Layer::State::empty: return tr("drop a file here");
        case Layer::State::loading: return tr("reading %1 …").arg(QFileInfo(layer.path).fileName());
        case Layer::State::failed: return tr("%1 (failed)").arg(QFileInfo(layer.path).fileName());
        case Layer::State::ready:
          return layer.path.isEmpty()
                     ? tr("%1 points, not in a file yet").arg(layer.landmarks.size())
                     : QFileInfo(layer.path).fileName();
      }
      return {};
    case Qt::CheckStateRole:
      if (!is_name || layer.state != Layer::State::ready) return {};
      return layer.visible ? Qt::Checked : Qt::Unchecked;
    case Qt::ToolTipRole:
      if (layer.state == Layer::State::failed) return layer.problem;
      return layer.path.isEmpty() ? tr("Double-click to choose a file, or drop one") : layer.path;
    case Qt::DecorationRole:
      if (is_name && is_image(what))
        return QColor(what == LayerRole::fixed ? render::kFixedColour : render::kMovingColour);
      return {};
    case Qt::AccessibleTextRole:
      return title_of(what) + QStringLiteral(": ") +
             data(this->index(index.row(), file_column), Qt::DisplayRole).toString();
    default: return {};
  }
}

bool LayerModel::setData(const QModelIndex& index, const QVariant& value, int role) {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid) || role != Qt::CheckStateRole ||
      index.column() != name_column)
    return false;
  const auto what = static_cast<LayerRole>(index.row());
  if (!is_ready(what)) return false;
  Layer layer = layers_[index_of(what)];
  const bool visible = value.toInt() == Qt::Checked;
  if (visible == layer.visible) return true;
  layer.visible = visible;
  set_layer(what, std::move(layer));
  Q_EMIT visibility_toggled(what);
  return true;
}

QVariant LayerModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (role != Qt::DisplayRole || orientation != Qt::Horizontal) return {};
  return section == name_column ? tr("Layer") : tr("File");
}

Qt::ItemFlags LayerModel::flags(const QModelIndex& index) const {
  if (!index.isValid()) return {};
  Qt::ItemFlags flags = Qt::ItemIsEnabled | Qt::ItemIsSelectable | Qt::ItemNeverHasChildren;
  if (index.column() == name_column && is_ready(static_cast<LayerRole>(index.row())))
    flags |= Qt::ItemIsUserCheckable;
  return flags;
}

}  // namespace gigawarp::ui

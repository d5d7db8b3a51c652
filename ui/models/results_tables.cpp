#include <QColor>
#include <cmath>

#include "render/scene.h"
#include "ui/models/results.h"

namespace gigawarp::ui {
namespace {

constexpr int kOverlapColumns = 4, kLandmarkColumns = 3;

QString number(double value, int digits) {
  return std::isnan(value) ? QStringLiteral("–") : QString::number(value, 'f', digits);
}

}  // namespace

void OverlapModel::set(const std::optional<qc::OverlapSummary>& overlap) {
  beginResetModel();
  rows_ = overlap ? overlap->labels : std::vector<qc::LabelOverlap>{};
  endResetModel();
}

int OverlapModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(rows_.size());
}

int OverlapModel::columnCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : kOverlapColumns;
}

QVariant OverlapModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const qc::LabelOverlap& row = rows_[static_cast<std::size_t>(index.row())];
  if (role == Qt::DecorationRole && index.column() == 0)
    return QColor(render::label_colour(static_cast<int>(row.label)));
  if (role != Qt::DisplayRole) return {};
  switch (index.column()) {
    case 0: return static_cast<qlonglong>(row.label);
    case 1: return number(row.dice, 3);
    case 2: return row.hd95_mm < 0 ? QStringLiteral("–") : number(row.hd95_mm, 2);
    default: return static_cast<qlonglong>(row.fixed_voxels);
  }
}

QVariant OverlapModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (role != Qt::DisplayRole || orientation != Qt::Horizontal) return {};
  switch (section) {
    case 0: return tr("Label");
    case 1: return tr("Dice");
    case 2: return tr("HD95 (mm)");
    default: return tr("Voxels");
  }
}

void LandmarkModel::set(const std::optional<qc::LandmarkErrors>& errors) {
  beginResetModel();
  rows_ = errors ? errors->landmarks : std::vector<qc::LandmarkError>{};
  endResetModel();
}

int LandmarkModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(rows_.size());
}

int LandmarkModel::columnCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : kLandmarkColumns;
}

QVariant LandmarkModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid) || role != Qt::DisplayRole) return {};
  const qc::LandmarkError& row = rows_[static_cast<std::size_t>(index.row())];
  switch (index.column()) {
    case 0:
      return row.held_out ? tr("%1 (held out)").arg(QString::fromStdString(row.name))
                          : QString::fromStdString(row.name);
    case 1: return number(row.before_mm, 2);
    default: return number(row.after_mm, 2);
  }
}

QVariant LandmarkModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (role != Qt::DisplayRole || orientation != Qt::Horizontal) return {};
  switch (section) {
    case 0: return tr("Landmark");
    case 1: return tr("Before (mm)");
    default: return tr("After (mm)");
  }
}

}  // namespace gigawarp::ui

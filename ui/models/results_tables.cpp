#include <QColor>
#include <cmath>

#include "render/scene.h"
#include "ui/models/results.h"

namespace gigawarp::ui {
namespace {

constexpr int kOverlapColumns = 5, kLandmarkColumns = 3;

QString number(double value, int digits) {
  return std::isnan(value) ? QStringLiteral("–") : QString::number(value, 'f', digits);
}

}  // namespace

void OverlapModel::set(const std::optional<qc::OverlapSummary>& overlap,
                       const io::LabelNames& names) {
  beginResetModel();
  rows_ = overlap ? overlap->labels : std::vector<qc::LabelOverlap>{};
  names_.clear();
  for (const qc::LabelOverlap& row : rows_)
    if (const auto name = names.find(row.label); name != names.end()) names_.insert(*name);
  endResetModel();
}

OverlapModel::Column OverlapModel::kind_of(int column) const {
  return static_cast<Column>(names_.empty() && column > 0 ? column + 1 : column);
}

int OverlapModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(rows_.size());
}

int OverlapModel::columnCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : kOverlapColumns - (names_.empty() ? 1 : 0);
}

QVariant OverlapModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const qc::LabelOverlap& row = rows_[static_cast<std::size_t>(index.row())];
  if (role == Qt::DecorationRole && index.column() == 0)
    return QColor(render::label_colour(row.label, &names_));
  const Column column = kind_of(index.column());
  const bool is_name = role == Qt::ToolTipRole && column == name_column;  // may be cut short
  if (role != Qt::DisplayRole && !is_name) return {};
  switch (column) {
    case label_column: return static_cast<qlonglong>(row.label);
    case name_column: {
      const auto name = names_.find(row.label);
      return name == names_.end() ? QString() : QString::fromStdString(name->second.name);
    }
    case dice_column: return number(row.dice, 3);
    case hd95_column: return row.hd95_mm < 0 ? QStringLiteral("–") : number(row.hd95_mm, 2);
    case voxels_column: break;
  }
  return static_cast<qlonglong>(row.fixed_voxels);
}

QVariant OverlapModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (role != Qt::DisplayRole || orientation != Qt::Horizontal) return {};
  switch (kind_of(section)) {
    case label_column: return tr("Label");
    case name_column: return tr("Name");
    case dice_column: return tr("Dice");
    case hd95_column: return tr("HD95\n(mm)");  // narrow: names need the room
    case voxels_column: break;
  }
  return tr("Voxels");
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

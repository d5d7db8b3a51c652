#include "ui/models/landmark_pairs.h"

#include <QColor>
#include <cmath>
#include <map>

#include "qc/points.h"
#include "ui/models/workspace.h"

namespace gigawarp::ui {

LandmarkPairs::LandmarkPairs(Workspace& workspace, QObject* parent)
    : QAbstractTableModel(parent), workspace_(workspace) {
  connect(&workspace_.layers(), &LayerModel::layer_changed, this, [this](LayerRole role) {
    if (is_landmarks(role)) take_pairs();
  });
  connect(&workspace_, &Workspace::warp_changed, this, &LandmarkPairs::measure);
}

void LandmarkPairs::take_pairs() {
  std::map<std::string, const io::Landmark*> moving;
  const LandmarkSides sides = workspace_.landmarks();
  for (const io::Landmark& mark : sides[1]) moving[mark.name] = &mark;
  beginResetModel();
  pairs_.clear();
  for (const io::Landmark& mark : sides[0])
    if (const auto found = moving.find(mark.name); found != moving.end())
      pairs_.push_back({mark.name, mark.position_mm, found->second->position_mm,
                        mark.held_out || found->second->held_out, 0, std::nullopt});
  endResetModel();
  measure();
}

void LandmarkPairs::measure() {
  if (pairs_.empty()) return;
  const std::shared_ptr<const Transform> warp = workspace_.warp();
  for (Pair& pair : pairs_) {
    const std::optional<Vec3> there = warp != nullptr ? (*warp)(pair.fixed_mm) : pair.fixed_mm;
    pair.residual_mm = std::nan("");
    if (there)
      pair.residual_mm =
          std::hypot((*there)[0] - pair.moving_mm[0], (*there)[1] - pair.moving_mm[1],
                     (*there)[2] - pair.moving_mm[2]);
    pair.seen_mm =
        warp != nullptr ? qc::fixed_point_of(*warp, pair.moving_mm, 0.02) : pair.moving_mm;
  }
  Q_EMIT dataChanged(index(0, residual_column), index(rowCount() - 1, residual_column));
}

LandmarkPairs::Summary LandmarkPairs::summary() const {
  Summary s;
  for (const Pair& pair : pairs_) {
    if (std::isnan(pair.residual_mm)) continue;
    ++(pair.held_out ? s.held_out : s.used);
    (pair.held_out ? s.held_out_mm : s.used_mm) += pair.residual_mm;
  }
  if (s.used > 0) s.used_mm /= s.used;
  if (s.held_out > 0) s.held_out_mm /= s.held_out;
  return s;
}

int LandmarkPairs::row_of(const std::string& name) const {
  for (std::size_t i = 0; i < pairs_.size(); ++i)
    if (pairs_[i].name == name) return static_cast<int>(i);
  return -1;
}

int LandmarkPairs::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(pairs_.size());
}

int LandmarkPairs::columnCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : column_count;
}

QVariant LandmarkPairs::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const Pair& pair = pairs_[static_cast<std::size_t>(index.row())];
  switch (index.column()) {
    case name_column:
      if (role == Qt::DisplayRole || role == Qt::EditRole) return QString::fromStdString(pair.name);
      return {};
    case held_out_column:
      if (role == Qt::CheckStateRole) return pair.held_out ? Qt::Checked : Qt::Unchecked;
      if (role == Qt::AccessibleTextRole) return pair.held_out ? tr("held out") : tr("used");
      return {};
    default:
      if (role == Qt::TextAlignmentRole) return int{Qt::AlignRight | Qt::AlignVCenter};
      if (role == Qt::DisplayRole)
        return std::isnan(pair.residual_mm) ? QStringLiteral("–")
                                            : QString::number(pair.residual_mm, 'f', 2);
      return {};
  }
}

bool LandmarkPairs::setData(const QModelIndex& index, const QVariant& value, int role) {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return false;
  const std::string name = pairs_[static_cast<std::size_t>(index.row())].name;
  LandmarkSides sides = workspace_.landmarks();
  if (index.column() == held_out_column && role == Qt::CheckStateRole) {
    const bool held_out = value.toInt() == Qt::Checked;
    for (auto& side : sides)
      for (io::Landmark& mark : side)
        if (mark.name == name) mark.held_out = held_out;
    workspace_.change_landmarks(sides, held_out
                                           ? tr("Hold out %1").arg(QString::fromStdString(name))
                                           : tr("Use %1").arg(QString::fromStdString(name)));
    return true;
  }
  const std::string wanted = value.toString().trimmed().toStdString();
  if (index.column() != name_column || role != Qt::EditRole || wanted.empty() ||
      wanted.find(',') != std::string::npos)
    return false;
  for (const auto& side : sides)
    for (const io::Landmark& mark : side)
      if (mark.name == wanted) return false;
  for (auto& side : sides)
    for (io::Landmark& mark : side)
      if (mark.name == name) mark.name = wanted;
  workspace_.change_landmarks(sides, tr("Rename landmark"));
  Q_EMIT renamed(name, wanted);
  return true;
}

QVariant LandmarkPairs::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation != Qt::Horizontal) return {};
  if (role == Qt::ToolTipRole && section == held_out_column)
    return tr("Kept out of every fit, so that it tells the error elsewhere");
  if (role == Qt::ToolTipRole && section == residual_column)
    return tr("From where the warp leads to the moving point");
  if (role != Qt::DisplayRole) return {};
  switch (section) {
    case name_column: return tr("Pair");
    case held_out_column: return tr("Held out");
    default: return tr("Residual (mm)");
  }
}

Qt::ItemFlags LandmarkPairs::flags(const QModelIndex& index) const {
  if (!index.isValid()) return {};
  Qt::ItemFlags flags = Qt::ItemIsEnabled | Qt::ItemIsSelectable | Qt::ItemNeverHasChildren;
  if (index.column() == name_column) flags |= Qt::ItemIsEditable;
  if (index.column() == held_out_column) flags |= Qt::ItemIsUserCheckable;
  return flags;
}

}  // namespace gigawarp::ui

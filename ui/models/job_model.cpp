#include "ui/models/job_model.h"

#include <QCoreApplication>
#include <QRegularExpression>
#include <algorithm>
#include <cmath>

#include "job/names.h"
#include "ui/models/workspace.h"

namespace gigawarp::ui {
namespace {

QString kind_text(StageKind kind) {
  switch (kind) {
    case StageKind::rigid: return JobModel::tr("Rigid");
    case StageKind::similarity: return JobModel::tr("Similarity");
    case StageKind::affine: return JobModel::tr("Affine");
    case StageKind::greedy: return JobModel::tr("Greedy");
    case StageKind::syn: break;
  }
  return JobModel::tr("SyN");
}

QString metric_text(const MetricSpec& metric) {
  switch (metric.kind) {
    case MetricKind::lncc: return JobModel::tr("LNCC %1").arg(metric.radius);
    case MetricKind::mi: return JobModel::tr("MI %1").arg(metric.bins);
    case MetricKind::mse: break;
  }
  return JobModel::tr("MSE");
}

}  // namespace

QString levels_text(const std::vector<LevelSpec>& levels) {
  QStringList parts;
  for (const LevelSpec& level : levels)
    parts << QStringLiteral("%1×%2").arg(level.shrink).arg(level.iterations);
  return parts.join(QStringLiteral(", "));
}

std::vector<LevelSpec> parse_levels(const QString& text) {
  static const QRegularExpression level(QStringLiteral("^\\s*(\\d+)\\s*[x×]\\s*(\\d+)\\s*$"));
  std::vector<LevelSpec> levels;
  for (const QString& part : text.split(QLatin1Char(','), Qt::SkipEmptyParts)) {
    const QRegularExpressionMatch match = level.match(part);
    if (!match.hasMatch()) return {};
    levels.push_back({match.captured(1).toInt(), match.captured(2).toInt()});
    if (levels.back().shrink < 1) return {};
    if (levels.size() > 1 && levels[levels.size() - 2].shrink <= levels.back().shrink) return {};
  }
  return levels;
}

JobModel::JobModel(QObject* parent) : QAbstractTableModel(parent) {
  set_preset(QString::fromStdString(preset_names().front()));
}

void JobModel::set_stages(const std::vector<StageSpec>& stages) {
  beginResetModel();
  stages_.clear();
  for (const StageSpec& spec : stages) stages_.push_back({spec, true});
  endResetModel();
}

void JobModel::set_preset(const QString& name) {
  const JobSpec job = job_from_preset(name.toStdString());
  preset_ = name;
  common_.initialisation = job.initialisation;
  set_stages(job.stages);
  Q_EMIT changed();
}

bool JobModel::is_changed() const {
  JobSpec mine, preset = job_from_preset(preset_.toStdString());
  for (const Row& row : stages_)
    if (row.on) mine.stages.push_back(row.spec);
  JobSpec theirs;
  theirs.stages = preset.stages;
  return to_json(mine) != to_json(theirs);
}

void JobModel::set_stage(int row, const StageSpec& spec) {
  stages_[static_cast<std::size_t>(row)].spec = spec;
  Q_EMIT dataChanged(index(row, 0), index(row, column_count - 1));
  Q_EMIT changed();
}

void JobModel::set_common(const JobSpec& common) {
  common_ = common;
  Q_EMIT changed();
}

JobSpec JobModel::job_for(const Workspace& workspace) const {
  JobSpec job = common_;
  job.preset = preset_.toStdString();
  job.stages.clear();
  for (const Row& row : stages_)
    if (row.on) job.stages.push_back(row.spec);
  const auto path = [&](LayerRole role) {
    const Layer& layer = workspace.layers().layer(role);
    return layer.state == Layer::State::ready ? layer.path.toStdString() : std::string();
  };
  const auto list = [](const std::string& file) {
    return file.empty() ? std::vector<std::string>{} : std::vector<std::string>{file};
  };
  job.fixed = list(path(LayerRole::fixed));
  job.moving = list(path(LayerRole::moving));
  job.fixed_spacing_mm = workspace.layers().layer(LayerRole::fixed).spacing_mm;
  job.moving_spacing_mm = workspace.layers().layer(LayerRole::moving).spacing_mm;
  job.fixed_selection = selection_of(workspace.layers().layer(LayerRole::fixed));
  job.moving_selection = selection_of(workspace.layers().layer(LayerRole::moving));
  if (!path(LayerRole::fixed_mask).empty()) job.fixed_mask = path(LayerRole::fixed_mask);
  if (!path(LayerRole::moving_mask).empty()) job.moving_mask = path(LayerRole::moving_mask);
  job.fixed_labels = path(LayerRole::fixed_labels);
  job.moving_labels = path(LayerRole::moving_labels);
  job.fixed_landmarks = path(LayerRole::fixed_landmarks);
  job.moving_landmarks = path(LayerRole::moving_landmarks);
  return job;
}

void JobModel::take(const JobSpec& job) {
  const std::vector<std::string> names = preset_names();
  if (std::find(names.begin(), names.end(), job.preset) != names.end())
    preset_ = QString::fromStdString(job.preset);
  common_ = job;
  common_.stages.clear();
  common_.fixed_spacing_mm.reset();
  common_.moving_spacing_mm.reset();
  common_.fixed_selection = common_.moving_selection = {};
  set_stages(job.stages);
  Q_EMIT changed();
}

int JobModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : stage_count();
}

int JobModel::columnCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : column_count;
}

QVariant JobModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const Row& row = stages_[static_cast<std::size_t>(index.row())];
  if (role == Qt::CheckStateRole && index.column() == kind_column)
    return row.on ? Qt::Checked : Qt::Unchecked;
  if (role == Qt::ToolTipRole) {
    if (index.column() == kind_column) return tr("Greedy and SyN deform; SyN from both sides");
    if (index.column() == metric_column)
      return tr("LNCC with its radius, MI with its bins, or MSE");
    return tr("Shrink factor × iterations, coarse to fine; double-click to edit: %1")
        .arg(levels_text(row.spec.levels));
  }
  if (role != Qt::DisplayRole && role != Qt::EditRole) return {};
  switch (index.column()) {
    case kind_column: return kind_text(row.spec.kind);
    case metric_column: return metric_text(row.spec.metric);
    default: return levels_text(row.spec.levels);
  }
}

bool JobModel::setData(const QModelIndex& index, const QVariant& value, int role) {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return false;
  Row& row = stages_[static_cast<std::size_t>(index.row())];
  if (role == Qt::CheckStateRole && index.column() == kind_column) {
    row.on = value.toInt() == Qt::Checked;
  } else if (role == Qt::EditRole && index.column() == levels_column) {
    const std::vector<LevelSpec> levels = parse_levels(value.toString());
    if (levels.empty()) return false;
    row.spec.levels = levels;
  } else {
    return false;
  }
  Q_EMIT dataChanged(this->index(index.row(), 0), this->index(index.row(), column_count - 1));
  Q_EMIT changed();
  return true;
}

QVariant JobModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (role != Qt::DisplayRole || orientation != Qt::Horizontal) return {};
  return section == kind_column     ? tr("Stage")
         : section == metric_column ? tr("Metric")
                                    : tr("Levels");
}

Qt::ItemFlags JobModel::flags(const QModelIndex& index) const {
  if (!index.isValid()) return {};
  Qt::ItemFlags flags = Qt::ItemIsEnabled | Qt::ItemIsSelectable | Qt::ItemNeverHasChildren;
  if (index.column() == kind_column) flags |= Qt::ItemIsUserCheckable;
  if (index.column() == levels_column) flags |= Qt::ItemIsEditable;
  return flags;
}

}  // namespace gigawarp::ui

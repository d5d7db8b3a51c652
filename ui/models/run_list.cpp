#include "ui/models/run_list.h"

#include <QCoreApplication>
#include <QFile>
#include <QFileInfo>
#include <QFont>
#include <QJsonDocument>
#include <QJsonObject>
#include <QPointer>
#include <algorithm>

#include "ui/models/background.h"
#include "ui/models/results.h"

namespace gigawarp::ui {
namespace {

constexpr double kSmallestScaleMm = 1e-3;

std::optional<double> number(const QJsonObject& json, const char* key) {
  const QJsonValue value = json[QLatin1String(key)];
  return value.isDouble() ? std::optional(value.toDouble()) : std::nullopt;
}

QJsonObject read_object(const QString& path) {
  QFile file(path);
  if (!file.open(QIODevice::ReadOnly)) return {};
  return QJsonDocument::fromJson(file.readAll()).object();
}

RunList::Run read_report(const QString& folder) {
  RunList::Run run;
  run.folder = folder;
  run.preset = read_object(folder + QStringLiteral("/job.json"))["preset"].toString();
  const QJsonObject report = read_object(folder + QStringLiteral("/result.json"));
  const QJsonObject measures = report["measures"].toObject();
  run.similarity = number(measures, "global_ncc");
  run.folds_percent = number(measures, "folds_percent");
  run.dice = number(measures, "dice_mean");
  run.seconds = number(report["provenance"].toObject()["seconds"].toObject(), "total");
  return run;
}

QString shown_number(const std::optional<double>& value, int digits) {
  return value ? QString::number(*value, 'f', digits) : QStringLiteral("–");
}

struct Compared {
  std::shared_ptr<const Transform> warp;
  std::shared_ptr<const Volume> map;
  qc::Distances difference;
  QString problem;
};

Compared compared(const QString& folder, std::uint64_t most_bytes, const Transform& shown,
                  const Grid& grid) {
  Compared out;
  try {
    out.warp = read_forward(folder, most_bytes).map;
    out.map = std::make_shared<Volume>(qc::transform_difference_map(shown, *out.warp, grid));
    out.difference = qc::transform_difference(shown, *out.warp, grid);
  } catch (const std::exception& error) {
    out.problem = QString::fromStdString(error.what());
  }
  return out;
}

}  // namespace

RunList::RunList(Workspace& workspace, QObject* parent)
    : QAbstractTableModel(parent), workspace_(workspace) {
  connect(&workspace_, &Workspace::warp_changed, this, [this] {
    if (comparison_ && !workspace_.has_other_warp()) forget_comparison();
  });
}

RunList::Run& RunList::run_of(const QString& folder) {
  const auto found = std::find_if(runs_.begin(), runs_.end(),
                                  [&](const Run& run) { return run.folder == folder; });
  if (found != runs_.end()) return *found;
  beginInsertRows({}, rowCount(), rowCount());
  runs_.push_back({folder, {}, {}, {}, {}, {}, {}});
  endInsertRows();
  return runs_.back();
}

void RunList::announce(const QString& folder) {
  for (int row = 0; row < rowCount(); ++row)
    if (runs_[static_cast<std::size_t>(row)].folder == folder)
      Q_EMIT dataChanged(index(row, 0), index(row, column_count - 1));
}

void RunList::note(const QString& folder, const QString& preset, const QString& state) {
  Run& run = run_of(folder);
  if (!preset.isEmpty()) run.preset = preset;
  run.state = state;
  announce(folder);
}

void RunList::note_results(const QString& folder) {
  background_pool().start([guard = QPointer<RunList>(this), folder] {
    QMetaObject::invokeMethod(
        qApp,
        [guard, read = read_report(folder)] {
          if (guard == nullptr) return;
          guard->run_of(read.folder) = read;
          guard->announce(read.folder);
        },
        Qt::QueuedConnection);
  });
}

void RunList::set_shown(const QString& folder) {
  const QString before = shown_;
  shown_ = folder;
  announce(before);
  announce(shown_);
}

void RunList::forget_comparison() {
  comparison_.reset();
  workspace_.set_map(MapChoice::run_difference, nullptr, {0, 1});
  Q_EMIT comparison_changed();
}

void RunList::compare(const QString& folder) {
  workspace_.show_other_warp(false);
  const std::shared_ptr<const Transform> shown = workspace_.warp();
  // Of a streamed image its coarse level: a map of the finest would be as large as the image.
  const Layer& fixed = workspace_.layers().layer(LayerRole::fixed);
  const Grid* grid = fixed.volume != nullptr ? &fixed.volume->grid() : workspace_.reference();
  if (shown == nullptr || grid == nullptr || folder == shown_) {
    Q_EMIT workspace_.message(
        tr("Show the results of one run, then choose another run of the same pair."));
    return;
  }
  Q_EMIT workspace_.message(tr("Comparing with %1 …").arg(QFileInfo(folder).fileName()));
  background_pool().start([guard = QPointer<RunList>(this), folder, shown, reference = *grid,
                           most_bytes = workspace_.warp_bytes()] {
    Compared result = compared(folder, most_bytes, *shown, reference);
    QMetaObject::invokeMethod(
        qApp,
        [guard, folder, shown, result = std::move(result)] {
          if (guard == nullptr) return;
          Workspace& workspace = guard->workspace_;
          if (!result.problem.isEmpty()) {
            Q_EMIT workspace.message(result.problem);
            return;
          }
          if (workspace.warp() != shown) return;  // something else is shown by now
          workspace.set_other_warp(result.warp);
          workspace.set_map(MapChoice::run_difference, result.map,
                            {0, std::max(result.difference.p95_mm, kSmallestScaleMm)});
          guard->comparison_ = Comparison{guard->shown_, folder, result.difference};
          Q_EMIT guard->comparison_changed();
        },
        Qt::QueuedConnection);
  });
}

int RunList::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(runs_.size());
}

int RunList::columnCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : column_count;
}

QVariant RunList::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const Run& run = runs_[static_cast<std::size_t>(index.row())];
  if (role == Qt::ToolTipRole)
    return run.state.isEmpty() ? run.folder : run.folder + QLatin1Char('\n') + run.state;
  if (role == Qt::FontRole && run.folder == shown_) {
    QFont bold;
    bold.setBold(true);
    return bold;
  }
  if (role == Qt::AccessibleTextRole && index.column() == run_column)
    return run.folder == shown_ ? tr("%1, shown").arg(QFileInfo(run.folder).fileName())
                                : QFileInfo(run.folder).fileName();
  if (role == Qt::TextAlignmentRole && index.column() >= similarity_column)
    return int{Qt::AlignRight | Qt::AlignVCenter};
  if (role != Qt::DisplayRole) return {};
  switch (index.column()) {
    case run_column: return QFileInfo(run.folder).fileName();
    case preset_column: return run.preset;
    case similarity_column:
      return run.state.isEmpty() ? shown_number(run.similarity, 3) : run.state;
    case folds_column: return shown_number(run.folds_percent, 2) + QStringLiteral(" %");
    case dice_column: return shown_number(run.dice, 3);
    default: return shown_number(run.seconds, 0) + QStringLiteral(" s");
  }
}

QVariant RunList::headerData(int section, Qt::Orientation orientation, int role) const {
  if (role != Qt::DisplayRole || orientation != Qt::Horizontal) return {};
  switch (section) {
    case run_column: return tr("Run");
    case preset_column: return tr("Preset");
    case similarity_column: return tr("NCC");
    case folds_column: return tr("Folds");
    case dice_column: return tr("Dice");
    default: return tr("Time");
  }
}

}  // namespace gigawarp::ui

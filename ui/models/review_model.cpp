#include "ui/models/review_model.h"

#include <QCoreApplication>
#include <QPointer>
#include <algorithm>
#include <utility>

#include "base/replace_file.h"
#include "gigawarp/error.h"
#include "ui/models/background.h"
#include "ui/models/batch_page.h"

namespace gigawarp::ui {
namespace {

constexpr int kFollowMs = 4000;

QString figures_text(const job::PairFigures& f) {
  QStringList parts;
  const auto add = [&](const QString& text, const std::optional<double>& value, int digits) {
    if (value) parts << text.arg(*value, 0, 'f', digits);
  };
  add(ReviewModel::tr("NCC %1"), f.ncc, 3);
  add(ReviewModel::tr("Dice %1"), f.dice_mean, 3);
  add(ReviewModel::tr("landmarks %1 mm"), f.landmark_mm, 2);
  if (f.folds_percent && *f.folds_percent > 0)
    add(ReviewModel::tr("folds %1 %"), f.folds_percent, 4);
  return parts.join(QStringLiteral(" · "));
}

QString verdict_text(const job::Verdict& v) {
  QString text;
  switch (v.kind) {
    case job::VerdictKind::none: return {};
    case job::VerdictKind::accepted: text = ReviewModel::tr("accepted"); break;
    case job::VerdictKind::rejected: text = ReviewModel::tr("rejected"); break;
    case job::VerdictKind::fix: text = ReviewModel::tr("to fix"); break;
  }
  return v.outdated ? ReviewModel::tr("%1 (earlier run)").arg(text) : text;
}

bool is_judged(const job::PairOutcome& outcome) {
  return outcome.verdict.kind != job::VerdictKind::none && !outcome.verdict.outdated;
}

}  // namespace

ReviewModel::ReviewModel(QObject* parent) : QAbstractTableModel(parent) {
  follow_.setInterval(kFollowMs);
  connect(&follow_, &QTimer::timeout, this, [this] {
    // Only while there is something to come.
    for (const Row& row : rows_)
      if (row.outcome.state == job::PairState::waiting ||
          row.outcome.state == job::PairState::unfinished)
        return refresh();
  });
}

QString ReviewModel::folder() const {
  return batch_ == nullptr ? QString() : QString::fromStdString(batch_->path().string());
}

ReviewModel::Loaded ReviewModel::load(const std::string& folder) {
  Loaded loaded;
  try {
    loaded.batch = std::make_shared<job::BatchFolder>(folder);
    std::vector<job::PairOutcome> outcomes;
    for (const job::BatchPair& pair : loaded.batch->pairs())
      outcomes.push_back(loaded.batch->outcome(pair));
    for (const std::size_t i : job::BatchFolder::worst_first(outcomes)) {
      const auto picture = loaded.batch->folder_of(loaded.batch->pairs()[i]) / "thumbnail.png";
      loaded.rows.push_back({i, outcomes[i], QImage(QString::fromStdString(picture.string()))});
    }
  } catch (const std::exception& error) {
    loaded.problem = QString::fromStdString(error.what());
  }
  return loaded;
}

void ReviewModel::open(const QString& folder) {
  const quint64 serial = ++serial_;
  ++busy_;
  background_pool().start(
      [guard = QPointer<ReviewModel>(this), serial, folder = folder.toStdString()] {
        auto loaded = std::make_shared<Loaded>(load(folder));
        QMetaObject::invokeMethod(
            qApp,
            [guard, serial, loaded = std::move(loaded)] {
              if (guard == nullptr) return;
              --guard->busy_;
              if (serial == guard->serial_) guard->take(loaded);
            },
            Qt::QueuedConnection);
      });
}

void ReviewModel::refresh() {
  if (busy_ == 0 && batch_ != nullptr) open(folder());
}

void ReviewModel::take(const std::shared_ptr<Loaded>& loaded) {
  if (!loaded->problem.isEmpty()) {
    Q_EMIT failed(loaded->problem);
    return;
  }
  // Rows stay where they are while a batch is judged, so that none jumps away from under the hand.
  const bool same = batch_ != nullptr && batch_->path() == loaded->batch->path() &&
                    rows_.size() == loaded->rows.size();
  if (same) {
    for (Row& fresh : loaded->rows)
      for (Row& row : rows_)
        if (row.index == fresh.index) {
          row.outcome = fresh.outcome;
          row.thumbnail = std::move(fresh.thumbnail);
        }
    batch_ = loaded->batch;
    if (!rows_.empty()) Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, column_count - 1));
  } else {
    beginResetModel();
    batch_ = loaded->batch;
    rows_ = std::move(loaded->rows);
    endResetModel();
  }
  if (!follow_.isActive()) follow_.start();
  Q_EMIT changed();
}

const job::BatchPair& ReviewModel::pair(int row) const {
  return batch_->pairs()[rows_[static_cast<std::size_t>(row)].index];
}

const job::PairOutcome& ReviewModel::outcome(int row) const {
  return rows_[static_cast<std::size_t>(row)].outcome;
}

QString ReviewModel::folder_of(int row) const {
  return QString::fromStdString(batch_->folder_of(pair(row)).string());
}

int ReviewModel::row_of(const QString& name) const {
  for (int row = 0; row < rowCount(); ++row)
    if (QString::fromStdString(pair(row).name) == name) return row;
  return -1;
}

int ReviewModel::next_open(int row) const {
  for (int step = 1; step <= rowCount(); ++step) {
    const int candidate = (row + step) % rowCount();
    if (outcome(candidate).state == job::PairState::done && !is_judged(outcome(candidate)))
      return candidate;
  }
  return -1;
}

QString ReviewModel::summary() const {
  if (batch_ == nullptr) return {};
  int accepted = 0, rejected = 0, fix = 0, failed = 0, open = 0;
  for (const Row& row : rows_) {
    failed += row.outcome.state == job::PairState::failed ? 1 : 0;
    open += row.outcome.state == job::PairState::waiting ||
                    row.outcome.state == job::PairState::unfinished
                ? 1
                : 0;
    if (!is_judged(row.outcome)) continue;
    accepted += row.outcome.verdict.kind == job::VerdictKind::accepted ? 1 : 0;
    rejected += row.outcome.verdict.kind == job::VerdictKind::rejected ? 1 : 0;
    fix += row.outcome.verdict.kind == job::VerdictKind::fix ? 1 : 0;
  }
  QString text = tr("%1 of %2 judged: %3 accepted, %4 rejected, %5 to fix")
                     .arg(accepted + rejected + fix)
                     .arg(rows_.size())
                     .arg(accepted)
                     .arg(rejected)
                     .arg(fix);
  if (failed > 0) text += tr(" · %1 failed").arg(failed);
  if (open > 0) text += tr(" · %1 still to run").arg(open);
  return text;
}

void ReviewModel::write(std::function<QString(const job::BatchFolder&)> work) {
  if (batch_ == nullptr) return;
  ++busy_;
  background_pool().start(
      [guard = QPointer<ReviewModel>(this), batch = batch_, work = std::move(work)] {
        QString file, problem;
        try {
          file = work(*batch);
        } catch (const std::exception& error) {
          problem = QString::fromStdString(error.what());
        }
        QMetaObject::invokeMethod(
            qApp,
            [guard, file, problem] {
              if (guard == nullptr) return;
              --guard->busy_;
              if (!problem.isEmpty()) Q_EMIT guard->failed(problem);
              if (!file.isEmpty()) Q_EMIT guard->written(file);
              guard->refresh();
            },
            Qt::QueuedConnection);
      });
}

namespace {

QString word_of(job::VerdictKind kind) {
  switch (kind) {
    case job::VerdictKind::accepted: return QStringLiteral("accepted");
    case job::VerdictKind::rejected: return QStringLiteral("rejected");
    case job::VerdictKind::fix: return QStringLiteral("fix");
    case job::VerdictKind::none: break;
  }
  return QStringLiteral("none");
}

}  // namespace

void ReviewModel::set_verdict(int row, job::VerdictKind kind, const QString& note) {
  if (row < 0 || row >= rowCount()) return;
  // Shown at once; the file's own comes when it has been written.
  Row& shown = rows_[static_cast<std::size_t>(row)];
  shown.outcome.verdict.kind = kind;
  shown.outcome.verdict.note = note.toStdString();
  shown.outcome.verdict.outdated = false;
  Q_EMIT dataChanged(index(row, 0), index(row, column_count - 1));
  Q_EMIT changed();
  Q_EMIT judged(QString::fromStdString(pair(row).name), word_of(kind));
  write([pair = pair(row), kind, note](const job::BatchFolder& batch) {
    batch.set_verdict(pair, kind, note.toStdString());
    return QString();
  });
}

void ReviewModel::write_rejects() {
  write([](const job::BatchFolder& batch) {
    std::vector<job::PairOutcome> now;
    for (const job::BatchPair& pair : batch.pairs()) now.push_back(batch.outcome(pair));
    const std::string text = batch.rejects_csv(now);
    if (text.empty())
      throw Error(ErrorCode::usage, "Nothing is rejected or to be fixed, so there is no list.");
    const auto file = batch.path() / "rejects.csv";
    if (!replace_file(file, own_part_ending(), text))
      throw Error(ErrorCode::output_not_written,
                  "\"" + file.string() + "\" could not be written; is the disk full?");
    return QString::fromStdString(file.string());
  });
}

void ReviewModel::write_page() {
  write([](const job::BatchFolder& batch) {
    std::vector<job::PairOutcome> now;
    for (const job::BatchPair& pair : batch.pairs()) now.push_back(batch.outcome(pair));
    const auto file = batch.path() / "index.html";
    if (!replace_file(file, own_part_ending(), batch_page(batch, now).toStdString()) ||
        !replace_file(batch.path() / "summary.csv", own_part_ending(), batch.summary_csv(now)))
      throw Error(ErrorCode::output_not_written,
                  "\"" + file.string() + "\" could not be written; is the disk full?");
    return QString::fromStdString(file.string());
  });
}

int ReviewModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(rows_.size());
}

int ReviewModel::columnCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : column_count;
}

QVariant ReviewModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const Row& row = rows_[static_cast<std::size_t>(index.row())];
  const job::PairOutcome& o = row.outcome;
  const QString name = QString::fromStdString(pair(index.row()).name);
  if (role == Qt::DecorationRole && index.column() == pair_column && !row.thumbnail.isNull())
    return row.thumbnail;
  if (role == Qt::ToolTipRole) {
    QStringList lines{name};
    if (!o.problem.empty()) lines << QString::fromStdString(o.problem);
    if (o.warnings > 0) lines << tr("%1 warnings, see log.txt").arg(o.warnings);
    if (!o.verdict.who.empty())
      lines << tr("%1 by %2, %3")
                   .arg(verdict_text(o.verdict), QString::fromStdString(o.verdict.who),
                        QString::fromStdString(o.verdict.when));
    return lines.join(QLatin1Char('\n'));
  }
  if (role != Qt::DisplayRole && role != Qt::AccessibleTextRole) return {};
  switch (index.column()) {
    case pair_column: return name;
    case figures_column:
      return o.state == job::PairState::done ? figures_text(o.figures)
             : o.state == job::PairState::failed
                 ? tr("failed: %1").arg(QString::fromStdString(o.problem))
             : o.state == job::PairState::unfinished ? tr("running, or stopped")
                                                     : tr("not run yet");
    default: return verdict_text(o.verdict);
  }
}

QVariant ReviewModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (role != Qt::DisplayRole || orientation != Qt::Horizontal) return {};
  return section == pair_column      ? tr("Pair, worst first")
         : section == figures_column ? tr("Figures")
                                     : tr("Verdict");
}

}  // namespace gigawarp::ui

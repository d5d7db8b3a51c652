#pragma once
#include <QAbstractTableModel>
#include <QImage>
#include <QTimer>
#include <functional>
#include <memory>
#include <vector>

#include "job/batch_folder.h"

namespace gigawarp::ui {

/// The queue of a batch: a row per pair, worst first, with thumbnail, figures and verdict. Files
/// are read and written on another thread; while the batch still runs the rows follow it.
class ReviewModel final : public QAbstractTableModel {
  Q_OBJECT
 public:
  enum Column { pair_column, figures_column, verdict_column, column_count };

  explicit ReviewModel(QObject* parent = nullptr);

  /// Reads the folder of a batch; changed() tells when it is there, failed() that it is none.
  void open(const QString& folder);
  QString folder() const;
  bool is_open() const { return batch_ != nullptr; }
  /// True while files are read or written.
  bool is_busy() const { return busy_ > 0; }

  const job::BatchPair& pair(int row) const;
  const job::PairOutcome& outcome(int row) const;
  QString folder_of(int row) const;
  /// The row of the next pair after `row` that is done and has no verdict of its present run; -1.
  int next_open(int row) const;
  int row_of(const QString& name) const;
  /// "12 of 100 judged: 8 accepted, 3 rejected, 1 to fix".
  QString summary() const;

  void set_verdict(int row, job::VerdictKind kind, const QString& note = {});
  /// Writes rejects.csv into the batch; written() names it. Says so when nothing is rejected.
  void write_rejects();
  /// Writes index.html anew, with the verdicts.
  void write_page();

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

 Q_SIGNALS:
  /// A person has judged: the pair's name and "accepted", "rejected", "fix" or "none".
  void judged(const QString& pair, const QString& verdict);
  void changed();
  void failed(const QString& sentence);
  void written(const QString& file);

 private:
  struct Row {
    std::size_t index = 0;  ///< of the pair in the batch
    job::PairOutcome outcome;
    QImage thumbnail;
  };
  struct Loaded {
    std::shared_ptr<const job::BatchFolder> batch;
    std::vector<Row> rows;
    QString problem;
  };
  static Loaded load(const std::string& folder);
  void refresh();
  void take(const std::shared_ptr<Loaded>& loaded);
  /// Runs `work` on another thread, then reads the folder again; `work` returns the file to tell
  /// of.
  void write(std::function<QString(const job::BatchFolder&)> work);

  std::shared_ptr<const job::BatchFolder> batch_;
  std::vector<Row> rows_;
  int busy_ = 0;
  quint64 serial_ = 0;
  QTimer follow_;
};

}  // namespace gigawarp::ui

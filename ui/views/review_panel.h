#pragma once
#include <QLabel>
#include <QPushButton>
#include <QTableView>
#include <QTimer>
#include <QWidget>

#include "ui/models/review_model.h"

namespace gigawarp::ui {

/// The queue of a batch, to be gone through by keyboard: the pair under the bar opens in the views;
/// A accepts, R rejects, F opens it with its job to be fixed, U takes the verdict back.
class ReviewPanel final : public QWidget {
  Q_OBJECT
 public:
  explicit ReviewPanel(ReviewModel& model, QWidget* parent = nullptr);
  int row() const;
  void select(int row);

 Q_SIGNALS:
  /// The results of a pair are to be looked at.
  void pair_wanted(const QString& folder);
  /// A pair is to be done again by hand, with this job.
  void fix_wanted(const gigawarp::JobSpec& job);
  void message(const QString& text);

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  void judge(job::VerdictKind kind);
  void show_state();
  void open_selected();
  bool take_key(int key);

  ReviewModel& model_;
  QLabel *summary_, *problem_;
  QTableView* table_;
  QPushButton *accept_, *reject_, *fix_, *undo_, *rejects_, *page_;
  QTimer rest_;     ///< runs out when the bar has come to rest
  QString opened_;  ///< folder that is in the views
};

}  // namespace gigawarp::ui

#pragma once
#include <QObject>
#include <QTimer>
#include <memory>

#include "qc/histograms.h"
#include "ui/models/workspace.h"

namespace gigawarp::ui {

/// The joint histogram of the fixed and the warped moving image for the warp that the views show
/// now: of the headers, of the alignment by hand, of a run while it goes on, of a result. Counted
/// on another thread, one at a time, the newest warp last, and only while somebody looks.
class JointModel final : public QObject {
  Q_OBJECT
 public:
  explicit JointModel(Workspace& workspace, QObject* parent = nullptr);
  void set_watched(bool watched);
  /// Null without a pair.
  std::shared_ptr<const qc::JointHistogram> histogram() const { return histogram_; }
  /// Axes of the histogram, with the level where an image is streamed.
  QString fixed_name() const;
  QString moving_name() const;

 Q_SIGNALS:
  void changed();

 private:
  void ask();
  void count();

  Workspace& workspace_;
  QTimer delay_;
  bool watched_ = false, counting_ = false, stale_ = true;
  const Volume *fixed_ = nullptr, *moving_ = nullptr;  ///< last asked for; to tell news from looks
  std::shared_ptr<const qc::JointHistogram> histogram_;
};

}  // namespace gigawarp::ui

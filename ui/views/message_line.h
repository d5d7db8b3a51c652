#pragma once
#include <QLabel>
#include <QTimer>

namespace gigawarp::ui {

/// The window's last sentence, on a line of its own: nothing moves when one comes, and no readout
/// hides it. What is too long for the line is cut in its middle and stands whole in the tip. It
/// goes after a while.
class MessageLine final : public QLabel {
  Q_OBJECT
 public:
  explicit MessageLine(QWidget* parent);
  void say(const QString& sentence);
  const QString& sentence() const { return sentence_; }
  QSize minimumSizeHint() const override;

 protected:
  void resizeEvent(QResizeEvent* event) override;

 private:
  void fit();

  QString sentence_;
  QTimer rest_;
};

}  // namespace gigawarp::ui

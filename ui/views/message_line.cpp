#include "ui/views/message_line.h"

#include <QAccessible>

namespace gigawarp::ui {
namespace {

constexpr int kShownMs = 20000;

}  // namespace

MessageLine::MessageLine(QWidget* parent) : QLabel(parent) {
  setObjectName(QStringLiteral("message"));
  setTextFormat(Qt::PlainText);  // names of files may look like mark-up
  setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
  setIndent(3);
  rest_.setSingleShot(true);
  rest_.setInterval(kShownMs);
  connect(&rest_, &QTimer::timeout, this, [this] { say({}); });
}

void MessageLine::say(const QString& sentence) {
  sentence_ = sentence.simplified();
  fit();
  setToolTip(sentence_);
  setAccessibleName(sentence_);
  if (sentence_.isEmpty()) return rest_.stop();
  rest_.start();
  QAccessibleEvent told(this, QAccessible::Alert);
  QAccessible::updateAccessibility(&told);
}

QSize MessageLine::minimumSizeHint() const { return {0, fontMetrics().height() + 2}; }

void MessageLine::resizeEvent(QResizeEvent* event) {
  QLabel::resizeEvent(event);
  fit();
}

void MessageLine::fit() {
  setText(fontMetrics().elidedText(sentence_, Qt::ElideMiddle, width() - 2 * indent()));
}

}  // namespace gigawarp::ui

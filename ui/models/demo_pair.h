#pragma once
#include <QObject>
#include <QProcess>
#include <memory>

namespace gigawarp::ui {

/// A made-up pair of heads to try the window with, made by a child process the first time.
class DemoPair final : public QObject {
  Q_OBJECT
 public:
  explicit DemoPair(QObject* parent = nullptr) : QObject(parent) {}
  ~DemoPair() override;
  void make();

 Q_SIGNALS:
  /// Fixed, moving, their labels and landmarks.
  void ready(const QStringList& files);
  void failed(const QString& sentence);

 private:
  std::unique_ptr<QProcess> process_;
};

}  // namespace gigawarp::ui

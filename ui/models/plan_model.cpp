#include "ui/models/plan_model.h"

#include <QCoreApplication>
#include <QLocale>
#include <QPointer>
#include <QThreadPool>
#include <utility>

#include "gigawarp/device.h"
#include "gigawarp/error.h"
#include "job/plan.h"

namespace gigawarp::ui {
namespace {

constexpr int kDelayMs = 250;

QString bytes_text(std::uint64_t bytes) {
  return QLocale().formattedDataSize(static_cast<qint64>(bytes), 1);
}

QString time_text(double seconds) {
  if (seconds < 90) return PlanModel::tr("%1 s").arg(seconds, 0, 'f', seconds < 10 ? 1 : 0);
  if (seconds < 5400) return PlanModel::tr("%1 min").arg(seconds / 60, 0, 'f', 0);
  return PlanModel::tr("%1 h").arg(seconds / 3600, 0, 'f', 1);
}

struct Answer {
  QStringList lines;
  QString problem;
};

Answer plan_of(const JobSpec& job) {
  Answer answer;
  try {
    validate(job);
    const job::Plan plan = job::make_plan(job);
    answer.lines << PlanModel::tr("Device: %1, %2 threads")
                        .arg(QString::fromStdString(plan.device))
                        .arg(plan.threads);
    answer.lines << PlanModel::tr("Memory: %1 of %2 free")
                        .arg(bytes_text(plan.memory_needed), bytes_text(plan.memory_available));
    if (!plan.disk.empty())
      answer.lines << PlanModel::tr("Disk: %1 of %2 free")
                          .arg(bytes_text(plan.disk_needed), bytes_text(plan.disk_free));
    answer.lines << PlanModel::tr("Time: about %1").arg(time_text(plan.forecast.seconds));
    answer.problem = QString::fromStdString(job::misfit(plan));
  } catch (const std::exception& error) {
    answer.problem = QString::fromStdString(error.what());
  }
  return answer;
}

}  // namespace

PlanModel::PlanModel(QObject* parent) : QObject(parent) {
  delay_.setSingleShot(true);
  delay_.setInterval(kDelayMs);
  connect(&delay_, &QTimer::timeout, this, &PlanModel::compute);
  QThreadPool::globalInstance()->start([guard = QPointer<PlanModel>(this)] {
    QStringList found{QStringLiteral("auto")};
    for (const DeviceInfo& device : list_devices())
      if (device.usable) found << QString::fromStdString(device.id);
    QMetaObject::invokeMethod(
        qApp,
        [guard, found] {
          if (guard == nullptr) return;
          guard->devices_ = found;
          Q_EMIT guard->devices_found();
        },
        Qt::QueuedConnection);
  });
}

void PlanModel::ask(const JobSpec& job) {
  job_ = job;
  ++asked_;
  delay_.start();
}

void PlanModel::compute() {
  if (job_.fixed.empty() || job_.moving.empty()) {
    answered_ = asked_;
    lines_.clear();
    problem_ = tr("Open a fixed and a moving image first.");
    Q_EMIT changed();
    return;
  }
  QThreadPool::globalInstance()->start(
      [guard = QPointer<PlanModel>(this), job = job_, serial = asked_] {
        Answer answer = plan_of(job);
        QMetaObject::invokeMethod(
            qApp,
            [guard, serial, answer = std::move(answer)] {
              if (guard == nullptr || serial != guard->asked_) return;
              guard->answered_ = serial;
              guard->lines_ = answer.lines;
              guard->problem_ = answer.problem;
              Q_EMIT guard->changed();
            },
            Qt::QueuedConnection);
      });
}

}  // namespace gigawarp::ui

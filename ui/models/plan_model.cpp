#include "ui/models/plan_model.h"

#include <QCoreApplication>
#include <QDir>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLocale>
#include <QPointer>
#include <QTemporaryFile>
#include <utility>

#include "gigawarp/error.h"
#include "ui/models/background.h"
#include "ui/models/program.h"

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

QStringList lines_of(const QJsonObject& plan) {
  const auto memory = [&plan](const char* kind) {
    const QJsonObject json = plan[QLatin1String(kind)].toObject();
    const auto bytes = [&json](const char* key) {
      return bytes_text(static_cast<std::uint64_t>(json[QLatin1String(key)].toDouble()));
    };
    return PlanModel::tr("%1 of %2 free")
        .arg(bytes("needed_bytes"),
             bytes(qstrcmp(kind, "disk") == 0 ? "free_bytes" : "available_bytes"));
  };
  QStringList lines;
  lines << PlanModel::tr("Device: %1, %2 threads")
               .arg(plan["device"].toString())
               .arg(plan["threads"].toInt());
  lines << PlanModel::tr("Memory: %1").arg(memory("memory"));
  if (plan["gpu_memory"]["needed_bytes"].toDouble() > 0)
    lines << PlanModel::tr("GPU memory: %1").arg(memory("gpu_memory"));
  if (!plan["disk"]["folder"].toString().isEmpty())
    lines << PlanModel::tr("Disk: %1").arg(memory("disk"));
  lines << PlanModel::tr("Time: about %1").arg(time_text(plan["seconds"].toDouble()));
  if (const QString note = plan["note"].toString(); !note.isEmpty()) lines << note;
  return lines;
}

Answer plan_of(const JobSpec& job) {
  Answer answer;
  try {
    validate(job);
  } catch (const Error& error) {
    answer.problem = QString::fromStdString(error.what());
    return answer;
  }
  QTemporaryFile file(QDir::temp().filePath(QStringLiteral("gigawarp-plan-XXXXXX.json")));
  const QByteArray text = QByteArray::fromStdString(to_json(job));
  if (!file.open() || file.write(text) != text.size() || !file.flush()) {
    answer.problem = PlanModel::tr("The job could not be written to \"%1\"; is the disk full?")
                         .arg(file.fileName());
    return answer;
  }
  const ProgramAnswer said = ask_program(
      {QStringLiteral("plan"), QStringLiteral("--job"), file.fileName(), QStringLiteral("--json")});
  const QJsonObject plan = QJsonDocument::fromJson(said.out).object();
  if (!plan.isEmpty()) answer.lines = lines_of(plan);
  if (said.exit_code != 0) answer.problem = said.words;
  return answer;
}

QStringList usable_devices() {
  QStringList found{QStringLiteral("auto")};
  const ProgramAnswer said = ask_program({QStringLiteral("devices"), QStringLiteral("--json")});
  const QJsonArray devices = QJsonDocument::fromJson(said.out).array();
  for (const auto& entry : devices)
    if (const QJsonObject device = entry.toObject(); device["usable"].toBool())
      found << device["id"].toString();
  if (found.filter(QStringLiteral("cuda:")).size() > 1) found << QStringLiteral("cuda:all");
  return found;
}

}  // namespace

PlanModel::PlanModel(QObject* parent) : QObject(parent) {
  delay_.setSingleShot(true);
  delay_.setInterval(kDelayMs);
  connect(&delay_, &QTimer::timeout, this, &PlanModel::compute);
  background_pool().start([guard = QPointer<PlanModel>(this)] {
    QMetaObject::invokeMethod(
        qApp,
        [guard, found = usable_devices()] {
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
  background_pool().start([guard = QPointer<PlanModel>(this), job = job_, serial = asked_] {
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

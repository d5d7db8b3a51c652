#include <QCoreApplication>
#include <QFile>
#include <QFileInfo>
#include <QPointer>
#include <QTimer>
#include <utility>

#include "gigawarp/error.h"
#include "job/output_folder.h"
#include "job/preview_file.h"
#include "ui/models/background.h"
#include "ui/models/run_controller.h"

// A run of another program, followed by its events.jsonl.
namespace gigawarp::ui {
namespace {

constexpr int kLookMs = 250;

/// Whole lines of a file from a place on.
QByteArray lines_from(const QString& path, qint64 place) {
  QFile file(path);
  if (!file.open(QIODevice::ReadOnly) || !file.seek(place)) return {};
  const QByteArray bytes = file.readAll();
  return bytes.left(bytes.lastIndexOf('\n') + 1);
}

}  // namespace

void RunController::watch(const QString& folder) {
  if (is_active()) return;
  verdict_.clear();
  progress_ = {};
  curves_.clear();
  job_.reset();
  folder_ = folder;
  watching_ = true;
  watched_bytes_ = 0;
  watched_end_ = State::running;
  previewed_ = {};
  ++serial_;
  set_state(State::running);
  Q_EMIT logged(tr("Watching the run in %1").arg(folder));
  read_job();
  look();
}

QString RunController::onlookers_preview() const {
  return folder_ + QLatin1Char('/') + QLatin1String(job::kOnlookersPreview);
}

/// On another thread; a job.json that is damaged or not there yet is the run's to tell.
void RunController::read_job() {
  background_pool().start(
      [guard = QPointer<RunController>(this), folder = folder_, serial = serial_] {
        QFile file(folder + QStringLiteral("/job.json"));
        if (!file.open(QIODevice::ReadOnly)) return;
        JobSpec job;
        try {
          job = parse_job(file.readAll().toStdString());
        } catch (const Error&) {
          return;
        }
        QMetaObject::invokeMethod(
            qApp,
            [guard, serial, job] {
              if (guard == nullptr || guard->serial_ != serial) return;
              guard->job_ = job;
              Q_EMIT guard->job_found(job);
            },
            Qt::QueuedConnection);
      });
}

void RunController::stop_watching() {
  if (!watching_) return;
  watching_ = false;
  ++serial_;
  verdict_ = tr("No longer watched; the run goes on.");
  set_state(State::idle);
}

/// On another thread, since the folder may be on a slow disk.
void RunController::look() {
  background_pool().start([guard = QPointer<RunController>(this), folder = folder_,
                           place = watched_bytes_, serial = serial_] {
    // In this order: what a run wrote last is read after it has let go of its folder.
    const bool in_use = job::OutputFolder::is_in_use(folder.toStdString());
    if (in_use)
      job::look_on(folder.toStdString());
    else
      job::look_away(folder.toStdString());
    QByteArray lines = lines_from(folder + QStringLiteral("/events.jsonl"), place);
    const QDateTime previewed =
        QFileInfo(folder + QLatin1Char('/') + QLatin1String(job::kOnlookersPreview)).lastModified();
    QMetaObject::invokeMethod(
        qApp,
        [guard, serial, in_use, previewed, lines = std::move(lines)] {
          if (guard != nullptr && guard->watching_ && guard->serial_ == serial)
            guard->take_watched(lines, in_use, previewed);
        },
        Qt::QueuedConnection);
  });
}

void RunController::take_watched(const QByteArray& lines, bool in_use, const QDateTime& previewed) {
  if (previewed.isValid() && previewed != std::exchange(previewed_, previewed)) take_preview();
  watched_bytes_ += lines.size();
  for (const QByteArray& line : lines.split('\n')) {
    if (line.isEmpty()) continue;
    take_event(line);
    if (line.contains("\"run_finished\"")) watched_end_ = State::finished;
    if (line.contains("\"run_failed\"")) watched_end_ = State::failed;
    if (line.contains("\"run_started\""))
      watched_end_ = State::running;  // an earlier part of the file
  }
  if (in_use) {
    QTimer::singleShot(kLookMs, this, [this, serial = serial_] {
      if (watching_ && serial_ == serial) look();
    });
    return;
  }
  watching_ = false;
  // What the run said last may have been read while it still held its folder.
  const State ended = watched_end_ == State::finished ? State::finished : State::crashed;
  if (ended == State::finished) {
    verdict_ = tr("Finished in %1 s.").arg(progress_.elapsed_s, 0, 'f', 1);
  } else {
    verdict_ = tr("The run that was watched has ended without results.");
  }
  set_state(ended);
  Q_EMIT progressed();
  if (ended == State::finished) Q_EMIT finished(folder_);
}

}  // namespace gigawarp::ui

#include "ui/models/run_controller.h"

#include <sys/resource.h>

#include <QCoreApplication>
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLocale>
#include <QPointer>
#include <QStandardPaths>
#include <csignal>
#include <utility>

#include "gigawarp/error.h"
#include "job/preview_file.h"
#include "ui/models/background.h"
#include "ui/models/job_model.h"
#include "ui/models/memory_kills.h"
#include "ui/models/program.h"
#include "ui/models/run_words.h"

namespace gigawarp::ui {
namespace {

constexpr int kCoalesceMs = 50, kNiceness = 5;
constexpr double kPreviewSeconds = 0.25;
const QString kInsideRun = QStringLiteral("GIGAWARP_INSIDE_RUN");

/// A name in memory where there is such a file system.
QString new_preview_file() {
  static int number = 0;
  const QString shared = QStringLiteral("/dev/shm");
  const QString folder = QFileInfo(shared).isWritable() ? shared : QDir::tempPath();
  return QStringLiteral("%1/gigawarp-%2-%3.preview")
      .arg(folder)
      .arg(QCoreApplication::applicationPid())
      .arg(++number);
}

QString log_line(const QJsonObject& event) {
  return QStringLiteral("%1 s  ").arg(event[QStringLiteral("elapsed_s")].toDouble(), 7, 'f', 1) +
         event_words(event);
}

}  // namespace

RunController::RunController(QObject* parent) : QObject(parent) {
  coalesce_.setSingleShot(true);
  coalesce_.setInterval(kCoalesceMs);
  connect(&coalesce_, &QTimer::timeout, this, &RunController::progressed);
}

RunController::~RunController() {
  if (process_ != nullptr) {
    process_->disconnect(this);
    // Asks for a checkpoint and a clean end; what is left after the patience is ended by the
    // system.
    process_->terminate();
    if (!process_->waitForFinished(3000)) process_->kill();
  }
  remove_files();
}

void RunController::remove_files() const {
  for (const QString& file : {preview_file_, job_file_})
    if (!file.isEmpty()) QFile::remove(file);
}

bool RunController::is_active() const {
  return state_ == State::starting || state_ == State::running || state_ == State::paused ||
         state_ == State::cancelling;
}

bool RunController::can_resume() const {
  return !is_active() && state_ != State::finished && state_ != State::idle && !folder_.isEmpty() &&
         is_unfinished(folder_);
}

bool RunController::is_unfinished(const QString& folder) {
  return QFileInfo::exists(folder + QStringLiteral("/checkpoint/header.json")) &&
         !QFileInfo::exists(folder + QStringLiteral("/result.json"));
}

void RunController::set_state(State state) {
  if (state == state_) return;
  state_ = state;
  Q_EMIT state_changed();
}

void RunController::start(const JobSpec& job, bool overwrite) {
  stop_watching();
  job_ = job;
  folder_ = QString::fromStdString(job.output_directory);
  // The job goes in by a file beside the results' folder, so that the folder holds results only.
  job_file_ = QDir::temp().filePath(
      QStringLiteral("gigawarp-job-%1.json").arg(QCoreApplication::applicationPid()));
  QFile file(job_file_);
  const std::string text = to_json(job);
  const auto size = static_cast<qint64>(text.size());
  if (!file.open(QIODevice::WriteOnly) || file.write(text.data(), size) != size) {
    verdict_ = tr("The job could not be written to \"%1\"; is the disk full?").arg(job_file_);
    set_state(State::failed);
    return;
  }
  file.close();
  QStringList arguments{QStringLiteral("register"), QStringLiteral("--job"), job_file_,
                        QStringLiteral("--out"), folder_};
  if (overwrite) arguments << QStringLiteral("--overwrite");
  launch(arguments);
}

void RunController::resume_folder(const QString& folder) {
  stop_watching();
  job_.reset();
  folder_ = folder;
  launch({QStringLiteral("register"), QStringLiteral("--resume"), QStringLiteral("--out"), folder});
  read_job();
}

void RunController::launch(const QStringList& arguments) {
  ++serial_;
  verdict_.clear();
  words_.clear();
  progress_ = {};
  curves_.clear();
  process_ = std::make_unique<QProcess>();
  QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
  if (environment.contains(kInsideRun)) {  // a program that starts itself would never end
    verdict_ = tr("A run cannot start another run.");
    set_state(State::failed);
    return;
  }
  environment.insert(kInsideRun, QStringLiteral("1"));
  process_->setProcessEnvironment(environment);
  connect(process_.get(), &QProcess::readyReadStandardOutput, this, &RunController::read_events);
  connect(process_.get(), &QProcess::readyReadStandardError, this, &RunController::read_words);
  connect(process_.get(), &QProcess::finished, this, &RunController::end);
  connect(process_.get(), &QProcess::errorOccurred, this, [this](QProcess::ProcessError error) {
    if (error != QProcess::FailedToStart) return;
    verdict_ = tr("\"%1\" could not be started: %2.").arg(program(), process_->errorString());
    set_state(State::failed);
  });
  memory_kills_ = memory_kills();
  set_state(State::starting);
  QStringList all = arguments;
  all << QStringLiteral("--progress") << QStringLiteral("json") << QStringLiteral("--control")
      << QStringLiteral("stdin");
  Q_EMIT logged(QStringLiteral("gigawarp ") + all.join(QLatin1Char(' ')));
  Q_EMIT logged(
      tr("the same again:  %1")
          .arg(shell_command({QStringLiteral("gigawarp"), QStringLiteral("register"),
                              QStringLiteral("--job"), folder_ + QStringLiteral("/job.json"),
                              QStringLiteral("--out"), QStringLiteral("FOLDER")})));
  // The window stays quick beside a run that uses every core.
  process_->setChildProcessModifier([] {
    setpriority(PRIO_PROCESS, 0, kNiceness);
    signal(SIGPIPE, SIG_IGN);  // it goes on when nobody reads its events any more
  });
  process_->start(program(), all);
  if (preview_file_.isEmpty()) preview_file_ = new_preview_file();
  const QJsonObject command{{QStringLiteral("command"), QStringLiteral("preview")},
                            {QStringLiteral("file"), preview_file_},
                            {QStringLiteral("interval_s"), kPreviewSeconds}};
  send(QJsonDocument(command).toJson(QJsonDocument::Compact));
}

void RunController::send(const QByteArray& command) {
  if (process_ != nullptr) process_->write(command + '\n');
}

void RunController::pause() {
  if (state_ == State::running) send("{\"command\": \"pause\"}");
}

void RunController::go_on() {
  if (state_ == State::paused) send("{\"command\": \"resume\"}");
}

void RunController::cancel() {
  if (!is_active()) return;
  if (watching_) return stop_watching();
  send("{\"command\": \"cancel\"}");
  set_state(State::cancelling);
}

void RunController::checkpoint() { send("{\"command\": \"checkpoint\"}"); }

void RunController::let_go() {
  constexpr int kPatienceMs = 500;
  go_on();
  send("{\"command\": \"preview\"}");  // nobody looks any more
  process_->waitForBytesWritten(kPatienceMs);
  process_->disconnect(this);
  // Not deleted: that would end the run. It lives as long as this program.
  static std::vector<QProcess*> left_alone;
  left_alone.push_back(process_.release());
  remove_files();
  verdict_ = tr("The run goes on by itself.");
  set_state(State::idle);
}

void RunController::read_words() { words_ += QString::fromUtf8(process_->readAllStandardError()); }

void RunController::read_events() {
  while (process_->canReadLine()) take_event(process_->readLine().trimmed());
}

void RunController::take_event(const QByteArray& line) {
  const QJsonObject event = QJsonDocument::fromJson(line).object();
  const QString what = event[QStringLiteral("event")].toString();
  if (what.isEmpty()) return;
  if (what == QLatin1String("preview_written")) {
    take_preview();
    return;
  }
  if (state_ == State::starting) set_state(State::running);
  if (what == QLatin1String("paused")) set_state(State::paused);
  if (what == QLatin1String("resumed") && state_ == State::paused) set_state(State::running);
  progress_.fraction = event[QStringLiteral("fraction")].toDouble();
  progress_.elapsed_s = event[QStringLiteral("elapsed_s")].toDouble();
  progress_.eta_s = event[QStringLiteral("eta_s")].toDouble(-1);
  progress_.memory_bytes = static_cast<quint64>(event[QStringLiteral("memory_bytes")].toDouble());
  if (const QJsonArray peaks = event[QStringLiteral("device_peak_bytes")].toArray();
      !peaks.isEmpty()) {
    progress_.device_peak_bytes.clear();
    for (const auto& bytes : peaks)
      progress_.device_peak_bytes.push_back(static_cast<quint64>(bytes.toDouble()));
  }
  if (event.contains(QStringLiteral("stage")))
    progress_.stage = event[QStringLiteral("stage")].toString();
  if (event.contains(QStringLiteral("iteration")) || what == QLatin1String("level_started"))
    take_iteration(event);
  if (what == QLatin1String("stage_started")) progress_.levels = 0;  // nothing of the one before
  const bool shares =
      what == QLatin1String("message") &&
      (progress_.stage == QLatin1String("load") || progress_.stage == QLatin1String("write"));
  progress_.doing = shares ? event[QStringLiteral("text")].toString() : QString();
  if (what != QLatin1String("iteration") && !shares) Q_EMIT logged(log_line(event));
  if (!coalesce_.isActive()) coalesce_.start();
}

void RunController::take_iteration(const QJsonObject& event) {
  progress_.level = event[QStringLiteral("level")].toInt();
  progress_.levels = event[QStringLiteral("levels")].toInt();
  progress_.shrink = event[QStringLiteral("shrink")].toInt(1);
  progress_.iteration = event[QStringLiteral("iteration")].toInt();
  progress_.iterations = event[QStringLiteral("iterations")].toInt();
  const QString what = event[QStringLiteral("event")].toString();
  if (what == QLatin1String("level_started")) {
    curves_.push_back({progress_.stage, progress_.level, progress_.levels, progress_.shrink, {}});
    Q_EMIT curve_started();
  }
  if (what == QLatin1String("level_finished"))
    progress_.folds_percent = event[QStringLiteral("folds_percent")].toDouble();
  if (what != QLatin1String("iteration")) return;
  progress_.loss = event[QStringLiteral("loss")].toDouble();
  progress_.step_voxels = event[QStringLiteral("step_voxels")].toDouble();
  progress_.ns_per_voxel = event[QStringLiteral("ns_per_voxel")].toDouble();
  if (!curves_.empty()) curves_.back().losses.push_back(progress_.loss);
}

/// Reads on another thread; a state that comes while one is being read is read afterwards.
void RunController::take_preview() {
  if (reading_preview_) {
    preview_waits_ = true;
    return;
  }
  reading_preview_ = true;
  background_pool().start([guard = QPointer<RunController>(this), serial = serial_,
                           file = (watching_ ? onlookers_preview() : preview_file_).toStdString()] {
    auto transform = std::make_shared<Transform>();
    try {
      job::PreviewState state = job::read_preview(file);
      if (state.displacement_mm) transform->stages.emplace_back(std::move(*state.displacement_mm));
      transform->stages.emplace_back(state.moving_from_fixed);
    } catch (const Error&) {
      transform.reset();  // the run has ended and taken its file along
    }
    QMetaObject::invokeMethod(
        qApp,
        [guard, serial, shown = std::shared_ptr<const Transform>(std::move(transform))] {
          if (guard == nullptr) return;
          guard->reading_preview_ = false;
          if (shown != nullptr && serial == guard->serial_ && guard->is_active())
            Q_EMIT guard->preview(shown);
          if (std::exchange(guard->preview_waits_, false)) guard->take_preview();
        },
        Qt::QueuedConnection);
  });
}

void RunController::end(int exit_code, QProcess::ExitStatus status) {
  read_events();
  read_words();
  const QString words = without_name(words_);
  const bool kept = QFileInfo::exists(folder_ + QStringLiteral("/checkpoint/header.json"));
  const QString hope = kept ? tr(" It can go on from its last checkpoint.")
                            : tr(" It had not reached its first checkpoint.");
  State reached = State::failed;
  if (status == QProcess::CrashExit) {
    reached = State::crashed;
    verdict_ =
        exit_code == SIGKILL
            ? words_of_kill(memory_kills_, memory_kills(), progress_.memory_bytes)
            : tr("The run ended by signal %1, a defect of Gigawarp or of a driver.").arg(exit_code);
    verdict_ += hope;
  } else if (exit_code == 0) {
    reached = State::finished;
    verdict_ = tr("Finished in %1 s.").arg(progress_.elapsed_s, 0, 'f', 1);
  } else if (exit_code == static_cast<int>(ErrorCode::cancelled)) {
    reached = State::cancelled;
    verdict_ = tr("Cancelled.") + hope;
  } else {
    verdict_ = words.isEmpty() ? tr("The run failed with exit code %1.").arg(exit_code) : words;
  }
  Q_EMIT logged(verdict_);
  process_.release()->deleteLater();
  remove_files();
  set_state(reached);
  Q_EMIT progressed();
  if (reached == State::finished) Q_EMIT finished(folder_);
}

}  // namespace gigawarp::ui

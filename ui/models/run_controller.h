#pragma once
#include <QDateTime>
#include <QObject>
#include <QProcess>
#include <QTimer>
#include <memory>
#include <optional>
#include <vector>

#include "gigawarp/job.h"
#include "gigawarp/transform.h"

namespace gigawarp::ui {

/// Losses of one level of a run.
struct LossCurve {
  QString stage;
  int level = 0, levels = 0, shrink = 1;
  std::vector<double> losses;
};

/// Where a run is, as its newest event says.
struct RunProgress {
  QString stage;
  QString doing;  ///< what is read or written, and how much of all: "writing 1Warp.nii: 42 %"
  int level = 0, levels = 0, shrink = 1, iteration = 0, iterations = 0;
  double loss = 0, step_voxels = 0, ns_per_voxel = 0, folds_percent = 0;
  double fraction = 0, elapsed_s = 0, eta_s = -1;
  quint64 memory_bytes = 0;
  std::vector<quint64> device_peak_bytes;  ///< of each GPU; empty on the CPU
};

/// One registration as a child process of the same program: it alone knows that a process exists.
/// Events come as lines of JSON on its stdout and commands go to its stdin; the alignment reached
/// so far comes through a file in memory. A child that dies takes nothing with it.
class RunController final : public QObject {
  Q_OBJECT
 public:
  enum class State {
    idle,
    starting,
    running,
    paused,
    cancelling,
    finished,
    cancelled,
    failed,
    crashed
  };
  Q_ENUM(State)

  explicit RunController(QObject* parent = nullptr);
  ~RunController() override;

  State state() const { return state_; }
  bool is_active() const;
  const RunProgress& progress() const { return progress_; }
  const std::vector<LossCurve>& curves() const { return curves_; }
  const QString& folder() const { return folder_; }
  /// Of the newest run, once it is known; null before.
  const JobSpec* job() const { return job_ ? &*job_ : nullptr; }
  /// What happened, in words, once the run has ended.
  const QString& verdict() const { return verdict_; }
  bool can_resume() const;
  /// True when a folder holds a checkpoint and no results.
  static bool is_unfinished(const QString& folder);
  qint64 process_id() const { return process_ != nullptr ? process_->processId() : 0; }

  /// Begins a run; `overwrite` replaces what is in its folder. Needs !is_active().
  void start(const JobSpec& job, bool overwrite);
  /// Goes on from the checkpoint in a folder.
  void resume_folder(const QString& folder);
  void pause();
  void go_on();
  void cancel();
  void checkpoint();
  /// The run goes on by itself, also when this program has ended; opening its folder watches it
  /// again. A paused one goes on. Needs is_active() && !is_watching().
  void let_go();
  /// Follows a run that another program started, by the events it writes to its folder; looking on
  /// makes it keep a preview there too. It cannot be steered.
  void watch(const QString& folder);
  void stop_watching();
  bool is_watching() const { return watching_; }

 Q_SIGNALS:
  void state_changed();
  void progressed();  ///< at most 20 times a second
  void curve_started();
  void logged(const QString& line);
  /// The alignment so far.
  void preview(std::shared_ptr<const gigawarp::Transform> moving_from_fixed);
  void finished(const QString& folder);
  /// The job of a run that began elsewhere or earlier, as its folder has it.
  void job_found(const gigawarp::JobSpec& job);

 private:
  void launch(const QStringList& arguments);
  void read_events();
  void read_words();
  void take_event(const QByteArray& line);
  void take_iteration(const class QJsonObject& event);
  void take_preview();
  QString onlookers_preview() const;
  void read_job();
  void look();
  void take_watched(const QByteArray& lines, bool in_use, const QDateTime& previewed);
  void end(int exit_code, QProcess::ExitStatus status);
  void set_state(State state);
  void remove_files() const;
  void send(const QByteArray& command);

  State state_ = State::idle;
  std::unique_ptr<QProcess> process_;
  RunProgress progress_;
  std::vector<LossCurve> curves_;
  std::optional<JobSpec> job_;
  QString folder_, verdict_, words_, preview_file_, job_file_;
  bool reading_preview_ = false, preview_waits_ = false;
  bool watching_ = false;
  qint64 watched_bytes_ = 0;
  State watched_end_ = State::running;  ///< what the events read so far say of the end
  quint64 serial_ = 0;   ///< of what is run or watched: what was read for another is dropped
  QDateTime previewed_;  ///< the watched run's newest preview
  std::optional<quint64> memory_kills_;  ///< of the system when the run began
  QTimer coalesce_;
};

}  // namespace gigawarp::ui

#pragma once
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "gigawarp/job.h"
#include "gigawarp/progress.h"

namespace gigawarp::job {

/// One event as one line of JSON without line break; fields that do not apply are left out.
std::string event_json(const ProgressEvent& event);

/// What reading the images and writing the results will take, as far as it is foreseen.
struct FileSeconds {
  double load = 0, write = 0;
};

/// Work of a job in voxel updates, to tell how far a run is and how long it will take.
class WorkModel {
 public:
  WorkModel(const JobSpec& job, std::int64_t fixed_voxels, double predicted_seconds,
            const FileSeconds& files = {});
  /// Takes note of where the run is.
  void update(const ProgressEvent& event, double elapsed_s);
  /// How much of the reading, or of the writing, is done: 0…1.
  void set_loaded(double share) { loaded_ = share; }
  void set_written(double share) { written_ = share; }
  double fraction() const;  ///< 0…1
  /// Seconds to the end; the prediction of the plan at first, the speed of this run later.
  double eta_s(double elapsed_s) const;

 private:
  double done() const;
  double file_seconds_left() const;
  int level_index(const ProgressEvent& event) const;

  std::vector<std::string> names_;           ///< of the stages
  std::vector<std::vector<double>> levels_;  ///< voxel updates of each level of each stage
  std::vector<std::vector<int>> shrinks_;    ///< of each level; a solver may leave out coarse ones
  double total_ = 0;
  double predicted_seconds_ = 0;
  FileSeconds files_;
  double loaded_ = 0, written_ = 0;
  int stage_ = -1;
  int level_ = 0;
  double within_level_ = 0;    ///< 0…1
  double solve_began_s_ = -1;  ///< elapsed time when the first stage started
  double done_at_begin_ = 0;   ///< of a resumed run
  bool finished_ = false;
};

/// Completes the events of a run (elapsed time, ETA, fraction, memory), keeps them in events.jsonl
/// and log.txt and passes them on.
class Recorder final : public ProgressSink {
 public:
  /// Appends when a run is resumed. `next` may be null.
  Recorder(const std::filesystem::path& folder, bool append, WorkModel model, ProgressSink* next);
  void on_event(const ProgressEvent& event) override;

  void say(EventKind kind, const std::string& stage, const std::string& text);
  /// How much of "load" or "write" is done, and what is being done: a message, at most one a
  /// second, which the log leaves out. From any thread, one at a time.
  void say_share(const std::string& stage, double share, const std::string& what);
  const std::vector<std::string>& warnings() const { return warnings_; }
  double elapsed_s() const;
  /// Throws Error{output_not_written} when a line could not be kept.
  void close();

 private:
  void record(const ProgressEvent& event, bool in_log);
  void log(const ProgressEvent& event);
  void flush();

  std::filesystem::path folder_;
  std::ofstream events_, log_;
  WorkModel model_;
  ProgressSink* next_;
  std::vector<std::string> warnings_;
  double shared_s_ = 0;   ///< when say_share() last said something
  double flushed_s_ = 0;  ///< when events were last written out, since the run began
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace gigawarp::job

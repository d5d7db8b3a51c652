#pragma once
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "app/child_process.h"
#include "job/batch_folder.h"

namespace gigawarp::app {

struct BatchSettings {
  int jobs = 1;                      ///< runs at a time
  int threads = 0;                   ///< of each run; 0: the machine's shared among them
  std::vector<std::string> devices;  ///< dealt out to the runs at a time; empty: the jobs' own
  std::string memory;                ///< of each run, as --memory takes it
  bool sheets = true;
  bool overwrite = false;
};

/// Told on the thread of run().
class BatchListener {
 public:
  virtual ~BatchListener() = default;
  virtual void pair_started(std::size_t index) = 0;
  virtual void pair_finished(std::size_t index, const job::PairOutcome& outcome) = 0;
  /// Fraction of all pairs, 0…1; several times a second.
  virtual void progressed(double fraction) = 0;
};

/// Runs what is to be done of a batch, each pair as a child process: `register --resume`, then `qc`
/// for thumbnail, sheet and figures. A pair that fails or crashes leaves its reason and the others
/// go on. The summaries are renewed after every pair.
class BatchRunner {
 public:
  BatchRunner(const job::BatchFolder& batch, BatchSettings settings, BatchListener& listener);

  /// What would be done with a pair: "run", "resume", "run again" (it failed), "draw" (its sheet
  /// is missing) or "skip" (done). Throws Error{bad_input} when its folder holds another job's
  /// result.
  std::string action_of(const job::BatchPair& pair) const;
  /// Blocks until all are done, or until the runs have left checkpoints after a stop. Returns the
  /// number of pairs that failed in it.
  int run(const std::stop_token& stop);
  /// Writes summary.csv, summary.json and index.html.
  void write_summaries() const;

 private:
  struct Slot {
    std::size_t pair = 0;
    bool drawing = false;
    double fraction = 0;
    std::string device;
    std::unique_ptr<ChildProcess> child;
  };
  bool start_next(Slot& slot);
  void start_run(Slot& slot);
  void start_drawing(Slot& slot);
  void end_child(Slot& slot, bool stopped);
  void finish_pair(const Slot& slot);
  void fail(const job::BatchPair& pair, const ChildProcess::Ending& ending);
  double fraction(const std::vector<Slot>& slots) const;
  bool has_sheet(const job::BatchPair& pair) const;

  const job::BatchFolder& batch_;
  BatchSettings settings_;
  BatchListener& listener_;
  std::size_t next_ = 0, finished_ = 0;
  int failed_ = 0;
};

}  // namespace gigawarp::app

#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace gigawarp {

enum class EventKind {
  run_started,
  stage_started,
  level_started,
  iteration,
  level_finished,
  stage_finished,
  checkpoint_written,
  preview_written,  ///< text: the file; passed on, not kept in the log
  warning,
  message,
  paused,
  resumed,
  run_finished,
  run_failed,
};

/// One thing that happened in a run. Fields that do not apply keep their defaults.
struct ProgressEvent {
  EventKind kind = EventKind::message;
  std::string
      stage;  ///< "load", "initialise", "rigid", "affine", "greedy", "syn", "invert", "write"
  std::string text;  ///< warning, message, file name
  int level = 0;     ///< 0 is the coarsest
  int levels = 0;
  int shrink = 1;      ///< of that level
  int iteration = 0;   ///< 1-based within the level
  int iterations = 0;  ///< planned in the level
  double loss = 0;
  double step_voxels = 0;          ///< largest displacement of the last update
  double folds_percent = 0;        ///< voxels with det J <= 0, at level ends
  double ns_per_voxel = 0;         ///< per iteration
  double elapsed_s = 0;            ///< since the run began
  double eta_s = -1;               ///< to the end of the run; negative: unknown
  double fraction = 0;             ///< of the whole run, 0…1
  std::uint64_t memory_bytes = 0;  ///< resident memory of the process now
  /// Most that the run has held on each GPU so far, as of a level's first iteration and its end;
  /// empty on the CPU and before.
  std::vector<std::uint64_t> device_peak_bytes;
};

/// Receives events on the thread that runs the registration; must return quickly.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  virtual void on_event(const ProgressEvent& event) = 0;
};

}  // namespace gigawarp

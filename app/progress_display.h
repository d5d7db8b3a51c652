#pragma once
#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "gigawarp/progress.h"

namespace gigawarp::app {

/// How a run shows itself. `kind`: "bar" (one line redrawn on stderr), "lines" (a line per level on
/// stderr), "json" (an event per line on stdout), "none" (warnings only) or "auto": a bar on a
/// terminal, lines otherwise. Throws Error{usage}.
std::unique_ptr<ProgressSink> make_progress_display(const std::string& kind);

/// Progress of a verb that is no run: completes the events that it passes on by the elapsed time
/// and the time to go, and scales their fractions to the part of the whole that is being done.
class StepProgress final : public ProgressSink {
 public:
  /// `kind` as above, but "auto" shows a bar on a terminal and nothing elsewhere.
  explicit StepProgress(const std::string& kind);
  /// From now on fractions 0…1 of events mean `from`…`to` of the whole; says `what` is being done.
  void part(double from, double to, const std::string& what);
  void on_event(const ProgressEvent& event) override;
  /// Takes the bar away.
  void finish();

 private:
  std::unique_ptr<ProgressSink> display_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  double from_ = 0, to_ = 1;
};

/// --progress of a verb that is no run; `json` says what it prints as "json".
void add_progress_option(CLI::App* verb, std::string& kind,
                         const std::string& json = "events on stdout");

/// "1:05", "2:03:00".
std::string duration_text(double seconds);

}  // namespace gigawarp::app

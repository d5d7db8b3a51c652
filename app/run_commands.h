#pragma once
#include <csignal>
#include <thread>

#include "job/run_switch.h"

namespace gigawarp::app {

/// Turns SIGINT and SIGTERM into a cancel of the run; a second one ends the process at once with
/// exit code 5. Make it before any other thread: it blocks the signals for threads started later.
class SignalWatch {
 public:
  explicit SignalWatch(job::RunSwitch& control);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  sigset_t previous_{};
  std::jthread thread_;
};

/// The same for a verb that is no run: signals become a stop request, a second one ends the
/// process.
class Interruption {
 public:
  Interruption() : signals_(control_) {}
  std::stop_token stop() const { return control_.stop_token(); }
  /// Throws Error{cancelled} once a signal came: before a verb starts to write.
  void look() const;

 private:
  job::RunSwitch control_;
  SignalWatch signals_;
};

/// Reads commands from stdin, one JSON object a line: {"command": "pause" | "resume" | "cancel" |
/// "checkpoint" | "preview", "file": F}. Anything else is answered by a warning on stderr. The end
/// of stdin does not end the run.
class StdinCommands {
 public:
  explicit StdinCommands(job::RunSwitch& control);

 private:
  std::jthread thread_;
};

}  // namespace gigawarp::app

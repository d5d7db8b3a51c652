#pragma once
#include <sys/syscall.h>
#include <unistd.h>

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>
#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "ui/late_calls.h"
#include "ui/machine_stops.h"

namespace gigawarp::test {

/// How long the interface thread did not come round to its timer, less the time in which it was
/// ready but other programs had the cores, or in which the machine stood still: that is the
/// machine's load, not the window's doing. Of the two the larger, as they may be one time.
class Watchdog {
 public:
  Watchdog() {
    restart(false);
    timer_.setInterval(1);
    QObject::connect(&timer_, &QTimer::timeout, [this] {
      const double waited_ms = (waited_for_a_core_ns() - waited_ns_) / 1e6;
      const double stopped_ms = stops_.longest_ms();
      const double elapsed_ms = clock_.nsecsElapsed() / 1e6;
      longest_elapsed_ms = std::max(longest_elapsed_ms, elapsed_ms);
      most_stopped_ms = std::max(most_stopped_ms, stopped_ms);
      const double blocked_ms = elapsed_ms - std::max(waited_ms, stopped_ms);
      const bool is_longest = blocked_ms > longest_ms;
      longest_ms = std::max(longest_ms, blocked_ms);
      restart(is_longest);
    });
    timer_.start();
  }
  /// The figures in a line, and what the thread was doing in its longest block.
  std::string text() const {
    std::ostringstream out;
    out << "longest block of the interface thread: " << longest_ms << " ms; not back for "
        << longest_elapsed_ms << " ms at most, the machine stood still for ";
    if (stops_.can_see())
      out << most_stopped_ms << " ms at most";
    else
      out << "a time that is not known";
    return out.str();
  }
  std::string calls() const { return "\n" + text() + "\n" + late_.text(); }
  double longest_ms = 0, longest_elapsed_ms = 0, most_stopped_ms = 0;

 private:
  void restart(bool keep) {
    clock_.start();
    stops_.restart();
    waited_ns_ = waited_for_a_core_ns();
    late_.came_round(keep);
  }
  /// Second number of the thread's schedstat; 0 where the kernel keeps none.
  static double waited_for_a_core_ns() {
    std::ifstream file("/proc/self/task/" + std::to_string(syscall(SYS_gettid)) + "/schedstat");
    double ran = 0, waited = 0;
    file >> ran >> waited;
    return waited;
  }
  MachineStops stops_;
  LateCalls late_;
  QElapsedTimer clock_;
  QTimer timer_;
  double waited_ns_ = 0;
};

}  // namespace gigawarp::test

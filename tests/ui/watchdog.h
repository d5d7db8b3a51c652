#pragma once
#include <sys/syscall.h>
#include <unistd.h>

#include <QElapsedTimer>
#include <QObject>
#include <QTimer>
#include <algorithm>
#include <fstream>
#include <string>

namespace gigawarp::test {

/// How long the interface thread did not come round to its timer, less the time in which it was
/// ready but other programs had the cores: that is the machine's load, not the window's doing.
class Watchdog {
 public:
  Watchdog() {
    restart();
    timer_.setInterval(1);
    QObject::connect(&timer_, &QTimer::timeout, [this] {
      const double waited_ms = (waited_for_a_core_ns() - waited_ns_) / 1e6;
      longest_ms = std::max(longest_ms, clock_.nsecsElapsed() / 1e6 - waited_ms);
      restart();
    });
    timer_.start();
  }
  double longest_ms = 0;

 private:
  void restart() {
    clock_.start();
    waited_ns_ = waited_for_a_core_ns();
  }
  /// Second number of the thread's schedstat; 0 where the kernel keeps none.
  static double waited_for_a_core_ns() {
    std::ifstream file("/proc/self/task/" + std::to_string(syscall(SYS_gettid)) + "/schedstat");
    double ran = 0, waited = 0;
    file >> ran >> waited;
    return waited;
  }
  QElapsedTimer clock_;
  QTimer timer_;
  double waited_ns_ = 0;
};

}  // namespace gigawarp::test

#pragma once
#include <stop_token>
#include <utility>
#include <vector>

#include "gigawarp/progress.h"

namespace gigawarp::test {

/// Keeps which iterations it is told of, and asks for a stop at the one of that number, if any.
class IterationListener final : public ProgressSink {
 public:
  explicit IterationListener(int stop_at = 0) : stop_at_(stop_at) {}
  void on_event(const ProgressEvent& event) override {
    if (event.kind != EventKind::iteration) return;
    told.emplace_back(event.level, event.iteration);
    if (stop_at_ > 0 && static_cast<int>(told.size()) == stop_at_) stop.request_stop();
  }
  std::vector<std::pair<int, int>> told;  ///< level and iteration
  std::stop_source stop;

 private:
  int stop_at_;
};

}  // namespace gigawarp::test

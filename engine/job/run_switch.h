#pragma once
#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace gigawarp::job {

/// The hand on a run: pause, resume, cancel and checkpoint, from any thread.
class RunSwitch {
 public:
  void pause();
  void resume();
  /// Also ends a pause.
  void cancel();
  void request_checkpoint();

  std::stop_token stop_token() const { return stop_.get_token(); }
  bool cancelled() const { return stop_.stop_requested(); }
  bool paused() const;
  /// Blocks while paused and not cancelled.
  void wait_while_paused();
  /// True once after each request_checkpoint().
  bool take_checkpoint_request();

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::stop_source stop_;
  bool paused_ = false;
  bool checkpoint_wanted_ = false;
};

}  // namespace gigawarp::job

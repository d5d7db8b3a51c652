#include "job/run_switch.h"

#include <utility>

namespace gigawarp::job {

void RunSwitch::pause() {
  const std::lock_guard lock(mutex_);
  paused_ = true;
}

void RunSwitch::resume() {
  {
    const std::lock_guard lock(mutex_);
    paused_ = false;
  }
  changed_.notify_all();
}

void RunSwitch::cancel() {
  {
    const std::lock_guard lock(mutex_);  // a waiter between its check and its wait must see it
    stop_.request_stop();
  }
  changed_.notify_all();
}

void RunSwitch::request_checkpoint() {
  const std::lock_guard lock(mutex_);
  checkpoint_wanted_ = true;
}

bool RunSwitch::paused() const {
  const std::lock_guard lock(mutex_);
  return paused_;
}

void RunSwitch::wait_while_paused() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !paused_ || stop_.stop_requested(); });
}

bool RunSwitch::take_checkpoint_request() {
  const std::lock_guard lock(mutex_);
  return std::exchange(checkpoint_wanted_, false);
}

void RunSwitch::show_preview(const Preview& preview) {
  const std::lock_guard lock(mutex_);
  preview_ = preview;
}

RunSwitch::Preview RunSwitch::preview() const {
  const std::lock_guard lock(mutex_);
  return preview_;
}

}  // namespace gigawarp::job

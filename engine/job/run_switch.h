#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <string>

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
  /// Asks for a live preview: the run writes its alignment to `file` (job/preview_file.h) at most
  /// once in `interval_s`, about `largest_voxels` voxels of it. An empty file name ends it.
  struct Preview {
    std::string file;
    double interval_s = 0.25;
    std::int64_t largest_voxels = 262144;
  };
  void show_preview(const Preview& preview);
  Preview preview() const;
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
  Preview preview_;
};

}  // namespace gigawarp::job

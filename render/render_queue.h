#pragma once
#include <QImage>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>

namespace gigawarp::render {

/// Draws pictures on a thread of its own, one at a time (each uses all cores). Of every view only
/// the newest request counts: an older one that waits is dropped, and one being drawn is cancelled,
/// unless the view has shown nothing new for a while, so that a picture that changes faster than it
/// can be drawn still moves.
class RenderQueue {
 public:
  using Draw = std::function<QImage(const std::stop_token&)>;
  /// Gets the picture on the drawing thread; not called for cancelled requests.
  using Deliver = std::function<void(QImage)>;

  RenderQueue();
  ~RenderQueue();  ///< cancels what is left and waits for the thread
  RenderQueue(const RenderQueue&) = delete;
  RenderQueue& operator=(const RenderQueue&) = delete;

  /// Returns at once, from any thread. `view` tells the askers apart.
  void request(const void* view, Draw draw, Deliver deliver);
  /// Forgets what a view asked for; after this returns nothing is delivered to it any more. May
  /// wait for a delivery, not for a drawing.
  void forget(const void* view);
  /// True when nothing waits or is being drawn.
  bool idle() const;

 private:
  struct Request {
    Draw draw;
    Deliver deliver;
    std::uint64_t serial = 0;
  };
  void work(const std::stop_token& stop);

  mutable std::mutex mutex_;
  std::mutex delivering_;
  std::condition_variable_any changed_;
  std::map<const void*, Request> waiting_;
  std::map<const void*, std::chrono::steady_clock::time_point> shown_;
  const void* drawing_ = nullptr;
  bool forgotten_ = false;  ///< the request being drawn
  std::uint64_t serial_ = 0;
  std::stop_source cancel_;
  std::jthread thread_;
};

}  // namespace gigawarp::render

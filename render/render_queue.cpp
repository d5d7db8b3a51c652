#include "render/render_queue.h"

#include <utility>

namespace gigawarp::render {
namespace {
/// A view that has shown nothing new for this long gets its picture finished, stale or not.
constexpr auto kLongestStandstill = std::chrono::milliseconds(60);
}  // namespace

RenderQueue::RenderQueue() : thread_([this](const std::stop_token& stop) { work(stop); }) {}

RenderQueue::~RenderQueue() {
  {
    const std::lock_guard lock(mutex_);
    waiting_.clear();
    cancel_.request_stop();
  }
  thread_.request_stop();
  changed_.notify_all();
}

void RenderQueue::request(const void* view, Draw draw, Deliver deliver) {
  {
    const std::lock_guard lock(mutex_);
    waiting_[view] = {std::move(draw), std::move(deliver), ++serial_};
    const auto now = std::chrono::steady_clock::now();
    if (drawing_ == view && now - shown_[view] < kLongestStandstill) cancel_.request_stop();
  }
  changed_.notify_one();
}

void RenderQueue::forget(const void* view) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.erase(view);
    shown_.erase(view);
    if (drawing_ == view) {
      forgotten_ = true;
      cancel_.request_stop();
    }
  }
  const std::lock_guard wait(delivering_);
}

bool RenderQueue::idle() const {
  const std::lock_guard lock(mutex_);
  return waiting_.empty() && drawing_ == nullptr;
}

void RenderQueue::work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Request request;
    const void* view = nullptr;
    std::stop_token cancel;
    {
      std::unique_lock lock(mutex_);
      drawing_ = nullptr;
      if (!changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) return;
      auto oldest = waiting_.begin();
      for (auto it = waiting_.begin(); it != waiting_.end(); ++it)
        if (it->second.serial < oldest->second.serial) oldest = it;
      view = oldest->first;
      request = std::move(oldest->second);
      waiting_.erase(oldest);
      drawing_ = view;
      forgotten_ = false;
      cancel_ = std::stop_source();
      cancel = cancel_.get_token();
    }
    QImage picture = request.draw(cancel);
    if (picture.isNull()) continue;
    const std::lock_guard delivering(delivering_);
    {
      const std::lock_guard lock(mutex_);
      if (forgotten_) continue;
      shown_[view] = std::chrono::steady_clock::now();
    }
    request.deliver(std::move(picture));
  }
}

}  // namespace gigawarp::render

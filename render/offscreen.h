#pragma once
#include <QGuiApplication>
#include <memory>

namespace gigawarp::render {

/// Painting text needs a QGuiApplication. Makes one on the offscreen platform when there is none,
/// for as long as it lives: no display, no window, no X. Make it on the main thread.
class OffscreenPainting {
 public:
  OffscreenPainting();
  ~OffscreenPainting();
  OffscreenPainting(const OffscreenPainting&) = delete;
  OffscreenPainting& operator=(const OffscreenPainting&) = delete;

 private:
  int argument_count_ = 1;
  char name_[9] = "gigawarp";
  char* arguments_[2] = {name_, nullptr};
  std::unique_ptr<QGuiApplication> application_;
};

}  // namespace gigawarp::render

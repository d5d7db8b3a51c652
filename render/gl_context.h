#pragma once
#include <memory>
#include <string>

namespace gigawarp::render {

/// An OpenGL context (core profile, 3.2 or later) that belongs to no window and no display: through
/// EGL, on a graphics card where there is one and in software elsewhere. X11, Wayland and no
/// display at all make no difference. May go from thread to thread, current on one at a time.
class GlContext {
 public:
  /// Null, with one sentence in `problem`, where there is no such OpenGL or the environment
  /// variable GIGAWARP_NO_OPENGL is set.
  static std::unique_ptr<GlContext> create(std::string& problem);
  ~GlContext();
  GlContext(const GlContext&) = delete;
  GlContext& operator=(const GlContext&) = delete;

  /// False when the driver refuses, which it does after a reset of the card.
  bool make_current();
  void release();
  const std::string& renderer() const { return renderer_; }  ///< "NVIDIA H100", "llvmpipe"
  bool is_software() const { return is_software_; }

 private:
  GlContext() = default;
  static std::unique_ptr<GlContext> find(std::string& problem);
  bool open(void* display, std::string& problem);

  void* display_ = nullptr;
  void* context_ = nullptr;
  std::string renderer_;
  bool is_software_ = false;
};

}  // namespace gigawarp::render

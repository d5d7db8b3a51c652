#pragma once
#include <memory>
#include <string>

#include "render/scene_3d.h"

namespace gigawarp::render {

/// Draws Scene3d with VTK into pictures, without a window. What has not changed since the last
/// picture is kept on the graphics card. Any thread, one at a time; a frame cannot be interrupted
/// once VTK has begun it.
class Renderer3d {
 public:
  Renderer3d();
  ~Renderer3d();
  Renderer3d(const Renderer3d&) = delete;
  Renderer3d& operator=(const Renderer3d&) = delete;

  /// Why nothing can be drawn here, one sentence; empty when it can. Looks for OpenGL when first
  /// asked.
  const std::string& problem();
  /// True when the processor draws instead of a graphics card.
  bool is_software() const;
  /// A null picture when there is a problem or `stop` was requested.
  QImage draw(const Scene3d& scene, const CastView& view, const std::stop_token& stop = {});

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
  std::string problem_;
  bool looked_ = false;
};

}  // namespace gigawarp::render

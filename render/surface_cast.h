#pragma once
#include <QImage>
#include <memory>
#include <optional>
#include <stop_token>

#include "gigawarp/volume.h"
#include "render/compare_modes.h"
#include "render/view_geometry.h"

namespace gigawarp::render {

/// From where a volume is looked at, without perspective.
struct CastView {
  double yaw = 0.6;     ///< radians about the superior axis; 0: from the front
  double pitch = 0.35;  ///< radians above the horizon
  double zoom = 1;      ///< 1: the subject fits
  struct Ball {
    Vec3 centre_mm{};
    double diameter_mm = 0;
  };
  std::optional<Ball> subject;       ///< what is to fill the picture; without: the whole volume
  double right_mm = 0, down_mm = 0;  ///< from the subject's centre to the middle of the picture
  int width = 0, height = 0;
};

/// Unit vectors of the picture in world space (LPS): right, down and into the picture.
struct CastAxes {
  Vec3 right{}, down{}, into{};
};
CastAxes cast_axes(const CastView& view);
/// World millimetres per pixel, the same for every way of drawing in 3-D.
double pixel_mm_of(const Grid& grid, const CastView& view);
/// The world point in the middle of the picture, at the depth of the subject's centre.
Vec3 middle_mm_of(const Grid& grid, const CastView& view);

/// What is drawn: the surface where the volume exceeds `threshold`, and, in the corner cut away
/// towards the viewer at `cut_mm`, the volume itself on the three planes.
struct CastScene {
  std::shared_ptr<const Volume> volume;
  Window window;
  double threshold = 0;
  Vec3 cut_mm{};
  bool cut = true;
  Mat3 turn = kStraight;  ///< of the cut planes, world
};

/// The threshold at which tissue stands out of the background.
double surface_threshold(const Window& window);

/// Casts a ray per pixel on the CPU, threaded: no OpenGL, the same picture everywhere. A null
/// picture when `stop` was requested.
QImage cast_surface(const CastScene& scene, const CastView& view, const std::stop_token& stop = {});

}  // namespace gigawarp::render

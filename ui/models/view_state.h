#pragma once
#include <string>

#include "gigawarp/grid.h"
#include "render/scene_3d.h"
#include "render/view_geometry.h"

namespace gigawarp::ui {

/// Where every view looks; linked, so there is one.
struct ViewState {
  Vec3 cursor_mm{};  ///< crosshair, world LPS
  Vec3 centre_mm{};  ///< middle of the pictures
  double zoom = 1;   ///< 1: the volume fits
  bool neurological = false;
  Mat3 turn = render::kStraight;  ///< of the cut planes; others than straight are oblique
  bool is_oblique() const { return turn != render::kStraight; }
  friend bool operator==(const ViewState&, const ViewState&) = default;
};

/// A place and slant to come back to.
struct NamedView {
  std::string name;
  ViewState view;
};

/// Which map of figures is laid over the images.
enum class MapChoice { none, jacobian, local_ncc, inverse_error, run_difference };

/// How images are compared and what is laid over them.
struct DisplayState {
  render::CompareMode mode = render::CompareMode::blend;
  bool overlay = true;
  double swipe = 0.5;
  int checker_pixels = 48;
  bool grid = false;
  bool glyphs = false;
  MapChoice map = MapChoice::none;
  double map_opacity = 0.7;
  bool landmarks = true;
  bool turning = false;                               ///< handles that turn the planes
  render::HeadStyle head = render::HeadStyle::solid;  ///< in the 3-D view
  bool cut_planes = true;                             ///< in the 3-D view
  friend bool operator==(const DisplayState&, const DisplayState&) = default;
};

}  // namespace gigawarp::ui

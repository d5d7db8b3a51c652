#pragma once
#include <QImage>
#include <array>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <vector>

#include "mesh/surface.h"
#include "render/scene.h"
#include "render/surface_cast.h"
#include "render/view_geometry.h"

namespace gigawarp::render {

/// How the fixed image itself is drawn in 3-D.
enum class HeadStyle {
  solid,   ///< its surface, with the corner towards the viewer cut away at the crosshair
  glass,   ///< its surface, seen through
  volume,  ///< rendered as a volume, with the corner cut away
  none,
};

/// A pair of landmarks in the fixed space: the fixed one, and where the moving one lies there.
struct Landmark3d {
  Vec3 fixed_mm{}, moving_mm{};
};

/// What the 3-D view shows. Shared parts never change once shown: another pointer means another
/// thing.
struct Scene3d {
  Scene slices;                       ///< what the cut planes show, the 2-D views' own
  std::uint64_t slices_revision = 0;  ///< another whenever `slices`, `cursor_mm` or `turn` differ
  Grid grid;                          ///< the reference
  Vec3 cursor_mm{};
  Mat3 turn = kStraight;  ///< of the cut planes, as in ViewFrame
  HeadStyle style = HeadStyle::solid;
  std::shared_ptr<const mesh::SurfaceMesh> surface;
  std::shared_ptr<const Volume> head;  ///< one byte per voxel, for HeadStyle::volume
  double tissue = 0;                   ///< value of the fixed image above which planes are opaque
  bool planes = true;
  std::shared_ptr<const std::vector<mesh::LabelSurface>> labels;
  std::shared_ptr<const io::LabelNames> label_names;  ///< for their colours; may be null
  double label_opacity = 1;
  std::vector<Landmark3d> landmarks;
};

/// One of the three cut planes, whole, textured: pixel (0, 0) of `picture` is at `geometry`'s
/// origin. Where there is no tissue it is transparent.
struct CutPlane {
  SliceGeometry geometry;
  QImage picture;  ///< RGBA8888
};
std::array<CutPlane, 3> cut_planes(const Scene3d& scene, const std::stop_token& stop);

/// The deformation grid on the three cut planes: lines of points that the warp has moved, without
/// its affine part. Empty without a warp or when the scene wants no grid.
using Polyline = std::vector<Vec3>;
std::vector<Polyline> deformation_lines(const Scene3d& scene, const std::stop_token& stop);

/// Where the marks of the moving image lie in the fixed space, to first order: the residual at the
/// fixed mark is taken back through the affine part of the warp.
std::vector<Landmark3d> landmarks_in_fixed_space(const std::vector<Vec3>& fixed_mm,
                                                 const std::vector<Vec3>& moving_mm,
                                                 const Transform* warp);

/// Unit normals of the cut planes: towards left, posterior and superior, turned with the planes.
std::array<Vec3, 3> cut_normals(const Scene3d& scene);

/// Which way each of cut_normals() has been cut: +1 where the piece on its positive side is towards
/// the viewer.
std::array<double, 3> cut_sides(const Scene3d& scene, const CastAxes& axes);

}  // namespace gigawarp::render

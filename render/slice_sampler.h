#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gigawarp/transform.h"
#include "gigawarp/volume.h"

namespace gigawarp::render {

enum class Plane { axial, coronal, sagittal };
std::string name_of(Plane plane);

/// A rectangle of pixels in world space (LPS mm): pixel (c, r) has its centre at
/// origin_mm + c * right_mm + r * down_mm.
struct SliceGeometry {
  Plane plane = Plane::axial;
  Vec3 origin_mm{}, right_mm{}, down_mm{};
  int width = 0, height = 0;
  double pixel_mm = 1;
  Vec3 at(double column, double row) const;
  /// Where it lies along its normal, as a person says it: "S 12.5 mm" (superior of the origin).
  std::string position_text() const;
  /// Anatomical letters at the left, right, top and bottom edge.
  std::string edge_letters() const;
};

/// Voxels of the canonical axes (x to L, y to P, z to S), low to high, inclusive.
struct VoxelBox {
  Vec3 low{}, high{};
};

/// The box that holds what is brighter than a tenth of the 1…99 percentile window, grown by
/// `margin_mm`; the whole grid when nothing stands out.
VoxelBox content_box(const Volume& volume, double margin_mm);

/// A slice along a plane of the grid that is nearest to the anatomical one, whatever the storage
/// order, with square pixels of `pixel_mm`. Radiological: the patient's right on the left, front on
/// top or left, superior on top. `fraction` (0…1) is the place along the normal inside `box`.
SliceGeometry slice_geometry(const Grid& grid, const VoxelBox& box, Plane plane, double fraction,
                             double pixel_mm);

/// Values of a slice, row by row from the top; NaN outside the volume.
struct SliceImage {
  int width = 0, height = 0;
  std::vector<float> values;
  float at(int column, int row) const {
    return values[static_cast<std::size_t>(row) * static_cast<std::size_t>(width) +
                  static_cast<std::size_t>(column)];
  }
};

/// `label`: the nearest voxel's whole number, exact where a float holds no more than 24 bits of it
/// (Allen's areas have nine digits), as label_of() gives it back. sample_slice() has the first two.
enum class SliceInterpolation { linear, nearest, label };
/// The label that a pixel of a slice of labels stands for; 0 outside.
std::int32_t label_of(float pixel);

/// Threaded. Inside means within half a voxel of the outer voxel centres.
SliceImage sample_slice(const Volume& volume, const SliceGeometry& geometry,
                        SliceInterpolation interpolation = SliceInterpolation::linear,
                        int channel = 0);

}  // namespace gigawarp::render

#pragma once
#include <array>
#include <cstdint>
#include <string>

namespace gigawarp {

using Vec3 = std::array<double, 3>;
using Mat3 = std::array<std::array<double, 3>, 3>;  ///< row-major: m[row][column]
using Size3 = std::array<std::int64_t, 3>;          ///< x (fastest in memory), y, z

/// An affine map of 3-space, y = linear * x + offset. Named target-from-source where it is used.
struct Affine {
  Mat3 linear{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  Vec3 offset{0, 0, 0};

  Vec3 operator()(const Vec3& p) const;
  /// The linear part alone: maps directions and displacements.
  Vec3 map_vector(const Vec3& v) const;
  double determinant() const;
  /// Throws Error{bad_input} when the determinant is zero or not finite.
  Affine inverse() const;
  friend bool operator==(const Affine&, const Affine&) = default;
};

/// (a * b)(x) == a(b(x)).
Affine operator*(const Affine& a, const Affine& b);

/// A regular voxel lattice in world space. World is LPS millimetres (ITK, DICOM). Voxel index i has
/// its centre at world_from_voxel(i); the extent of the grid reaches half a voxel beyond the outer
/// centres.
struct Grid {
  Size3 size{0, 0, 0};
  Affine
      world_from_voxel;  ///< columns of the linear part are direction times spacing (mm per voxel)

  std::int64_t voxel_count() const { return size[0] * size[1] * size[2]; }
  Affine voxel_from_world() const { return world_from_voxel.inverse(); }
  Vec3 spacing_mm() const;
  /// From outermost face to outermost face, along each index axis.
  Vec3 sides_mm() const;
  double longest_side_mm() const;
  Mat3 direction() const;  ///< unit columns
  Vec3 origin_mm() const { return world_from_voxel.offset; }
  /// World position of the middle of the volume.
  Vec3 centre_mm() const;
  /// Nearest anatomical letters of the three axes in index order, e.g. "RAS": the direction in
  /// which each index grows.
  std::string orientation() const;
  static Grid from_itk(const Size3& size, const Vec3& spacing_mm, const Vec3& origin_mm,
                       const Mat3& direction);
  /// Same lattice: equal sizes, and corners that agree to `tolerance_voxels` of a voxel.
  bool same_lattice(const Grid& other, double tolerance_voxels = 1e-3) const;
  friend bool operator==(const Grid&, const Grid&) = default;
};

/// How to store a volume with its axes permuted and flipped: stored axis `a` runs along source axis
/// `axis[a]`, backwards if `flipped[a]`.
struct AxisOrder {
  std::array<int, 3> axis{0, 1, 2};
  std::array<bool, 3> flipped{false, false, false};
  bool is_identity() const;
  AxisOrder inverse() const;
};

/// The axis order that brings a grid closest to identity directions (x to L, y to P, z to S).
AxisOrder canonical_order(const Grid& grid);
/// The same lattice points under another axis order: world positions do not change.
Grid reordered(const Grid& grid, const AxisOrder& order);

}  // namespace gigawarp

#pragma once
#include "gigawarp/transform.h"
#include "gigawarp/volume.h"

/// The made-up registration problem that the benchmark runs on.
namespace gigawarp::bench {

/// A textured ellipsoid with noise on a dark background, and the same under a smooth known map:
/// moving(A(x + u(x))) = fixed(x) up to the noise. u16, 1 mm voxels. The same voxels for every
/// number of threads. Takes the memory of the two volumes and nothing else that grows with them.
struct Problem {
  Volume fixed, moving;
  Affine moving_from_fixed;  ///< A: two degrees about z and a shift, world mm (and voxels)
  double largest_voxels;     ///< of the first component of u; the others reach 0.8 and 0.6 of it

  explicit Problem(const Size3& size, double largest_displacement_voxels = 2);
  /// u at a fixed voxel, voxels (and mm): three waves, one period long.
  Vec3 displacement(double x, double y, double z) const;
  /// Whether a fixed voxel lies in the ellipsoid: beyond it there is nothing to align by.
  bool shows_scene(double x, double y, double z) const;
  /// u times `share` at whole planes [z_begin, z_end), f32, each component on its own.
  void displacement_planes(std::int64_t z_begin, std::int64_t z_end, double share,
                           float* const component[3]) const;
};

}  // namespace gigawarp::bench

#pragma once
#include "gigawarp/transform.h"
#include "gigawarp/volume.h"

/// The made-up registration problem that the benchmark runs on.
namespace gigawarp::bench {

/// A textured ellipsoid with noise on a dark background, and the same under a smooth known map:
/// moving(A(x + u(x))) = fixed(x) up to the noise and a small error of inversion. u16, 1 mm voxels.
/// The same voxels for every run and number of threads.
struct Problem {
  Volume fixed, moving;
  Affine moving_from_fixed;  ///< A: two degrees about z and a shift, world mm (and voxels)

  explicit Problem(const Size3& size);
  /// u at a fixed voxel, voxels (and mm): three waves of at most 2 voxels.
  Vec3 displacement(double x, double y, double z) const;
};

}  // namespace gigawarp::bench

#pragma once
#include "math/host_device.h"

namespace gigawarp::math {

/// Determinant of I + G inverse, where G[c][k] is the derivative of displacement component c (mm)
/// along voxel axis k and `world_to_voxel` the linear part of voxel_from_world: the determinant of
/// the Jacobian of x + u(x) in world space.
template <class T>
GIGAWARP_HD T jacobian_determinant(const T (&g)[3][3], const T (&world_to_voxel)[3][3]) {
  T m[3][3];
  for (int c = 0; c < 3; ++c)
    for (int a = 0; a < 3; ++a)
      m[c][a] = (c == a ? T(1) : T(0)) + g[c][0] * world_to_voxel[0][a] +
                g[c][1] * world_to_voxel[1][a] + g[c][2] * world_to_voxel[2][a];
  return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
         m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
         m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

}  // namespace gigawarp::math

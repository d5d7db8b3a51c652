#pragma once
#include "math/host_device.h"

/// The inverse v of a displacement u, v = -u(y + v), is a root of f(v) = v + u(y + v).
namespace gigawarp::math {

/// Below this determinant of I + ∂u the field is as good as folded there, and a Newton step leads
/// anywhere: a fixed-point step instead.
constexpr float kLeastDeterminant = 0.02F;

/// Where a step leads to no less a residual, the next is half way back to the best place so far. At
/// a kink of the interpolation that would go on for ever, since the derivatives at the best place
/// are those of the wrong side: every so many times the step is Newton's from where it led.
constexpr int kGoesAnyway = 3;

/// Newton's step from a residual r = -f(v), voxels: (I + ∂u)⁻¹ r. `jacobian[c][k]`: ∂u_c/∂x_k.
GIGAWARP_HD void inversion_step(const float (&jacobian)[3][3], const float (&residual)[3],
                                float (&step)[3]) {
  const float a = jacobian[0][0] + 1, b = jacobian[0][1], c = jacobian[0][2], d = jacobian[1][0],
              e = jacobian[1][1] + 1, f = jacobian[1][2], g = jacobian[2][0], h = jacobian[2][1],
              i = jacobian[2][2] + 1;
  const float A = e * i - f * h, B = f * g - d * i, C = d * h - e * g;
  const float determinant = a * A + b * B + c * C;
  const bool usual = determinant > kLeastDeterminant;
  const float scale = 1.0F / (usual ? determinant : 1.0F);
  const float x = residual[0], y = residual[1], z = residual[2];
  const float sx = scale * (A * x + (c * h - b * i) * y + (b * f - c * e) * z),
              sy = scale * (B * x + (a * i - c * g) * y + (c * d - a * f) * z),
              sz = scale * (C * x + (b * g - a * h) * y + (a * e - b * d) * z);
  step[0] = usual ? sx : x;
  step[1] = usual ? sy : y;
  step[2] = usual ? sz : z;
}

}  // namespace gigawarp::math

#pragma once
#include "math/packed.h"
#include "math/quick.h"

namespace gigawarp::math {

/// Riemannian Adam's numbers of one step (Jena et al., 2026; Kingma & Ba, ICLR 2015): one second
/// moment per voxel, the mean square of the components, so that the direction turns with the axes.
struct AdamStep {
  float beta1 = 0.9F, beta2 = 0.99F;
  float correction1 = 1;       ///< 1 / (1 - beta1^step)
  float root_correction2 = 1;  ///< sqrt(1 / (1 - beta2^step))
  float epsilon = 1e-8F;
  float incoherence_damping = 0;  ///< κ of agreement()
};

/// r/(r + κ), r = |m̂|²/(3 v̂): v is the mean square of three components, so that r is 1 where all
/// gradients so far agree, and near 0 where they cancel. There Adam alone would keep a voxel
/// trembling by a tenth of its learning rate. κ = 0: 1.
GIGAWARP_HD float agreement(float m_squared, float v, float kappa) {
  constexpr float kSmallest = 1.2e-38F;  // 0/0 where nothing has ever pulled
  return kappa > 0.0F ? quick_quotient(m_squared, m_squared + 3.0F * kappa * v + kSmallest) : 1.0F;
}

/// d = scale · m̂ / (√v̂ + ε) · r/(r + κ) from the moments as they are kept.
GIGAWARP_HD Float3 adam_direction(const AdamStep& a, PackedMoments word, float scale = 1.0F) {
  const Float3 m = unpack_first_moment(word);
  const float root = unpack_second_root(word) * a.root_correction2;
  const float square = (m.x * m.x + m.y * m.y + m.z * m.z) * (a.correction1 * a.correction1);
  const float s = quick_quotient(scale * a.correction1, root + a.epsilon) *
                  agreement(square, root * root, a.incoherence_damping);
  return {m.x * s, m.y * s, m.z * s};
}

/// The moments after gradient g.
GIGAWARP_HD PackedMoments adam_update(const AdamStep& a, PackedMoments word, const Float3& g) {
  Float3 m = unpack_first_moment(word);
  const float root = unpack_second_root(word);
  const float keep = 1.0F - a.beta1;
  m = {m.x * a.beta1 + keep * g.x, m.y * a.beta1 + keep * g.y, m.z * a.beta1 + keep * g.z};
  const float square = (g.x * g.x + g.y * g.y + g.z * g.z) * (1.0F / 3.0F);
  return pack_moments(m, quick_root(root * root * a.beta2 + (1.0F - a.beta2) * square));
}

}  // namespace gigawarp::math

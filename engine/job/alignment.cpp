#include "job/alignment.h"

#include "gigawarp/volume_feed.h"
#include "solve/initialise.h"

namespace gigawarp::job {
namespace {

/// One rotation of fixed axes upon moving ones, the signs of the first two chosen.
Mat3 rotation_of(const Mat3& moving_axes, const Mat3& fixed_axes, int signs) {
  const double first = (signs & 1) != 0 ? -1 : 1, second = (signs & 2) != 0 ? -1 : 1;
  const double sign[3] = {first, second, first * second};  // proper: no mirror
  Mat3 rotation{};
  for (std::size_t r = 0; r < 3; ++r)
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t k = 0; k < 3; ++k)
        rotation[r][c] += sign[k] * moving_axes[r][k] * fixed_axes[c][k];
  return rotation;
}

double trace(const Mat3& m) { return m[0][0] + m[1][1] + m[2][2]; }

solve::Moments moments_of(const Volume& volume) {
  const WholeVolume feed(&volume);
  return solve::moments(feed, solve::intensity_scale(feed));
}

}  // namespace

Affine align_landmarks(const std::vector<std::pair<Vec3, Vec3>>& fixed_moving_mm) {
  return solve::fit_landmarks(fixed_moving_mm);
}

Affine align_moments(const Volume& fixed, const Volume& moving) {
  const solve::Moments f = moments_of(fixed), m = moments_of(moving);
  Affine best;
  best.linear = rotation_of(m.axes, f.axes, 0);
  for (int signs = 1; signs < 4; ++signs)
    if (const Mat3 other = rotation_of(m.axes, f.axes, signs); trace(other) > trace(best.linear))
      best.linear = other;
  const Vec3 turned = best.map_vector(f.centre_mm);
  for (std::size_t a = 0; a < 3; ++a) best.offset[a] = m.centre_mm[a] - turned[a];
  return best;
}

}  // namespace gigawarp::job

#include "phantom/known_map.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "gigawarp/error.h"

namespace gigawarp::phantom {
namespace {

constexpr double kLargestGradient = 0.75;  ///< of u, Frobenius norm: below 1 the map cannot fold

Mat3 multiply(const Mat3& a, const Mat3& b) {
  Mat3 out{};
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c)
      for (int k = 0; k < 3; ++k) out[r][c] += a[r][k] * b[k][c];
  return out;
}

Mat3 rotation(int axis, double radians) {
  const int a = (axis + 1) % 3, b = (axis + 2) % 3;
  Mat3 m{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  m[a][a] = m[b][b] = std::cos(radians);
  m[a][b] = -std::sin(radians);
  m[b][a] = std::sin(radians);
  return m;
}

double norm(const Vec3& v) { return std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]); }

/// Never below half of the amplitude in size: a perturbation that is there.
double signed_part(CounterRandom& random, double amplitude) {
  const double size = random.between(0.5, 1.0) * amplitude;
  return random.uniform() < 0.5 ? -size : size;
}

Affine random_affine(CounterRandom& random, const Vec3& centre_mm, double amount, double scale) {
  const double degree = std::numbers::pi / 180;
  Mat3 linear{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  for (int axis = 0; axis < 3; ++axis)
    linear = multiply(linear, rotation(axis, signed_part(random, 4.5 * amount) * degree));
  Mat3 stretch{};
  for (int axis = 0; axis < 3; ++axis)
    stretch[axis][axis] = std::exp(signed_part(random, 0.05 * amount));
  stretch[0][1] = signed_part(random, 0.03 * amount);
  stretch[1][2] = signed_part(random, 0.03 * amount);
  Affine out;
  out.linear = multiply(linear, stretch);
  const Vec3 moved = out.map_vector(centre_mm);
  for (int r = 0; r < 3; ++r)
    out.offset[r] = centre_mm[r] - moved[r] + signed_part(random, 4 * amount) * scale;
  return out;
}

}  // namespace

double CounterRandom::uniform() {  // splitmix64, Steele et al. 2014
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1.0p-53;
}

KnownMap::KnownMap(const PhantomSpec& spec, const Vec3& centre_mm, double scale)
    : centre_mm_(centre_mm) {
  CounterRandom random(spec.seed * 2654435761U + 17);
  if (spec.affine_perturbation != 0)
    affine_ = random_affine(random, centre_mm, spec.affine_perturbation, scale);
  for (PlaneWave& wave : waves_) {
    // A direction on the sphere, a wavelength of 65 to 130 nominal mm, an amplitude in any
    // direction.
    Vec3 direction{}, amplitude{};
    do {
      for (double& c : direction) c = random.between(-1, 1);
    } while (norm(direction) > 1 || norm(direction) < 0.1);
    for (double& c : amplitude) c = random.between(-1, 1);
    const double wavelength_mm = random.between(65, 130) * scale;
    const double k = 2 * std::numbers::pi / (wavelength_mm * norm(direction));
    wave.wave_per_mm = {direction[0] * k, direction[1] * k, direction[2] * k};
    for (int c = 0; c < 3; ++c) wave.amplitude_mm[c] = amplitude[c] * wavelength_mm;
    wave.phase = random.between(0, 2 * std::numbers::pi);
  }
  const double nominal_mm = 5 * scale;
  scale_to(spec.deformation_mm < 0 ? nominal_mm : spec.deformation_mm, scale);
}

void KnownMap::scale_to(double deformation_mm, double scale) {
  constexpr int kSamples = 32;
  double largest = 0, steepest = 0;
  for (int z = 0; z < kSamples; ++z)
    for (int y = 0; y < kSamples; ++y)
      for (int x = 0; x < kSamples; ++x) {
        const double step = 200.0 * scale / (kSamples - 1);
        const Vec3 p{centre_mm_[0] + (x - 15.5) * step, centre_mm_[1] + (y - 15.5) * step,
                     centre_mm_[2] + (z - 15.5) * step};
        largest = std::max(largest, norm(displacement(p)));
        double square = 0;
        for (const auto& row : gradient(p))
          for (const double g : row) square += g * g;
        steepest = std::max(steepest, std::sqrt(square));
      }
  const double factor = deformation_mm / largest;
  if (steepest * factor > kLargestGradient)
    throw Error(ErrorCode::usage,
                "A deformation of " + std::to_string(deformation_mm) +
                    " mm would fold this phantom; at most " +
                    std::to_string(kLargestGradient / steepest * largest) +
                    " mm is possible at its size and seed.",
                "--deformation");
  for (PlaneWave& wave : waves_)
    for (double& a : wave.amplitude_mm) a *= factor;
}

Vec3 KnownMap::displacement(const Vec3& p) const {
  Vec3 u{};
  for (const PlaneWave& w : waves_) {
    double angle = w.phase;
    for (int c = 0; c < 3; ++c) angle += w.wave_per_mm[c] * (p[c] - centre_mm_[c]);
    const double s = std::sin(angle);
    for (int c = 0; c < 3; ++c) u[c] += w.amplitude_mm[c] * s;
  }
  return u;
}

Mat3 KnownMap::gradient(const Vec3& p) const {
  Mat3 out{};
  for (const PlaneWave& w : waves_) {
    double angle = w.phase;
    for (int c = 0; c < 3; ++c) angle += w.wave_per_mm[c] * (p[c] - centre_mm_[c]);
    const double slope = std::cos(angle);
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < 3; ++c) out[r][c] += w.amplitude_mm[r] * w.wave_per_mm[c] * slope;
  }
  return out;
}

Vec3 KnownMap::operator()(const Vec3& fixed_mm) const {
  const Vec3 u = displacement(fixed_mm);
  return affine_({fixed_mm[0] + u[0], fixed_mm[1] + u[1], fixed_mm[2] + u[2]});
}

Vec3 KnownMap::inverse(const Vec3& moving_mm) const {
  // Newton on x + u(x) = A^-1(m). The map is a bounded perturbation of the identity: it converges.
  const Vec3 target = affine_.inverse()(moving_mm);
  Vec3 x = target;
  for (int iteration = 0; iteration < 60; ++iteration) {
    const Vec3 u = displacement(x);
    const Vec3 residual{target[0] - x[0] - u[0], target[1] - x[1] - u[1], target[2] - x[2] - u[2]};
    if (norm(residual) < 1e-9) break;
    Affine jacobian;
    jacobian.linear = gradient(x);
    for (int r = 0; r < 3; ++r) jacobian.linear[r][r] += 1;
    const Vec3 step = jacobian.inverse().map_vector(residual);
    for (int c = 0; c < 3; ++c) x[c] += step[c];
  }
  return x;
}

}  // namespace gigawarp::phantom

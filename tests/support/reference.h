#pragma once
#include <cmath>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "gigawarp/volume.h"
#include "math/metric.h"
#include "ops/similarity.h"

/// Plain double-precision definitions of the operations, written from the formulas of engine.md:
/// the oracle that every back end is compared with. Slow on purpose.
namespace gigawarp::reference {

/// A small problem with random smooth volumes, an oblique anisotropic map and a random
/// displacement.
struct Problem {
  Size3 fixed_size, moving_size;
  std::vector<double> fixed, moving;                  ///< scaled intensities
  std::vector<std::uint8_t> fixed_mask, moving_mask;  ///< empty: none
  Affine t;
  std::vector<double> u[3];

  std::int64_t voxels() const { return fixed_size[0] * fixed_size[1] * fixed_size[2]; }
  static std::int64_t index(const Size3& n, std::int64_t x, std::int64_t y, std::int64_t z) {
    return (z * n[1] + y) * n[0] + x;
  }
};

inline Problem make_problem(const Size3& fixed, const Size3& moving, unsigned seed) {
  Problem p;
  p.fixed_size = fixed;
  p.moving_size = moving;
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  const auto texture = [&](const Size3& n, double phase) {
    std::vector<double> v;
    for (std::int64_t z = 0; z < n[2]; ++z)
      for (std::int64_t y = 0; y < n[1]; ++y)
        for (std::int64_t x = 0; x < n[0]; ++x)
          v.push_back(std::sin(0.9 * static_cast<double>(x) + phase) +
                      std::cos(0.7 * static_cast<double>(y) - 0.3 * static_cast<double>(z)) +
                      0.4 * uniform(random));
    return v;
  };
  p.fixed = texture(fixed, 0.2);
  p.moving = texture(moving, 0.9);
  // Centres on one another, a slight rotation, shear and scale.
  p.t.linear = {{{0.95, 0.08, -0.03}, {-0.06, 1.05, 0.05}, {0.04, -0.02, 0.98}}};
  Vec3 centre{};
  for (int a = 0; a < 3; ++a) centre[a] = 0.5 * static_cast<double>(fixed[a] - 1);
  const Vec3 image = p.t.map_vector(centre);
  for (int a = 0; a < 3; ++a)
    p.t.offset[a] = 0.5 * static_cast<double>(moving[a] - 1) - image[a] + 0.137 * (a + 1);
  for (auto& c : p.u)
    for (std::int64_t i = 0; i < p.voxels(); ++i) c.push_back(0.6 * uniform(random));
  return p;
}

struct Sample {
  double value = 0;
  bool inside = false;
};

inline Vec3 moving_point(const Problem& p, std::int64_t x, std::int64_t y, std::int64_t z) {
  const std::int64_t i = Problem::index(p.fixed_size, x, y, z);
  Vec3 q{static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)};
  for (int a = 0; a < 3; ++a)
    if (!p.u[a].empty()) q[a] += p.u[a][static_cast<std::size_t>(i)];
  return p.t(q);
}

inline Sample sample(const Problem& p, const Vec3& q) {
  Sample s;
  std::int64_t low[3], high[3];
  double f[3];
  s.inside = true;
  for (int a = 0; a < 3; ++a) {
    const auto top = static_cast<double>(p.moving_size[a] - 1);
    s.inside = s.inside && q[a] > -0.5 && q[a] < top + 0.5;
    const double c = std::min(std::max(q[a], 0.0), top);
    low[a] =
        std::min(static_cast<std::int64_t>(c), std::max<std::int64_t>(p.moving_size[a] - 2, 0));
    high[a] = std::min(low[a] + 1, p.moving_size[a] - 1);
    f[a] = c - static_cast<double>(low[a]);
  }
  for (int corner = 0; corner < 8; ++corner) {
    const std::int64_t x = corner & 1 ? high[0] : low[0], y = corner & 2 ? high[1] : low[1],
                       z = corner & 4 ? high[2] : low[2];
    const double w = (corner & 1 ? f[0] : 1 - f[0]) * (corner & 2 ? f[1] : 1 - f[1]) *
                     (corner & 4 ? f[2] : 1 - f[2]);
    s.value += w * p.moving[static_cast<std::size_t>(Problem::index(p.moving_size, x, y, z))];
  }
  if (!p.moving_mask.empty() && s.inside) {
    const auto x = std::llround(q[0]), y = std::llround(q[1]), z = std::llround(q[2]);
    s.inside = x >= 0 && y >= 0 && z >= 0 && x < p.moving_size[0] && y < p.moving_size[1] &&
               z < p.moving_size[2] &&
               p.moving_mask[static_cast<std::size_t>(Problem::index(p.moving_size, x, y, z))] != 0;
  }
  return s;
}

/// Warped moving volume; NaN where it does not count.
inline std::vector<double> warp(const Problem& p) {
  std::vector<double> out;
  for (std::int64_t z = 0; z < p.fixed_size[2]; ++z)
    for (std::int64_t y = 0; y < p.fixed_size[1]; ++y)
      for (std::int64_t x = 0; x < p.fixed_size[0]; ++x) {
        const Sample s = sample(p, moving_point(p, x, y, z));
        const bool counts = s.inside && (p.fixed_mask.empty() || p.fixed_mask[out.size()] != 0);
        out.push_back(counts ? s.value : std::nan(""));
      }
  return out;
}

inline double lncc_loss(const Problem& p, const std::vector<double>& taps, double epsilon) {
  const std::vector<double> m = warp(p);
  const auto r = static_cast<std::int64_t>(taps.size() / 2);
  const Size3& n = p.fixed_size;
  double total = 0, count = 0;
  for (std::int64_t z = 0; z < n[2]; ++z)
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) {
        if (std::isnan(m[static_cast<std::size_t>(Problem::index(n, x, y, z))])) continue;
        double w = 0, sf = 0, sm = 0, sff = 0, smm = 0, sfm = 0;
        for (std::int64_t c = std::max<std::int64_t>(z - r, 0); c <= std::min(z + r, n[2] - 1); ++c)
          for (std::int64_t b = std::max<std::int64_t>(y - r, 0); b <= std::min(y + r, n[1] - 1);
               ++b)
            for (std::int64_t a = std::max<std::int64_t>(x - r, 0); a <= std::min(x + r, n[0] - 1);
                 ++a) {
              const auto i = static_cast<std::size_t>(Problem::index(n, a, b, c));
              if (std::isnan(m[i])) continue;
              const double k = taps[static_cast<std::size_t>(a - x + r)] *
                               taps[static_cast<std::size_t>(b - y + r)] *
                               taps[static_cast<std::size_t>(c - z + r)];
              w += k;
              sf += k * p.fixed[i];
              sm += k * m[i];
              sff += k * p.fixed[i] * p.fixed[i];
              smm += k * m[i] * m[i];
              sfm += k * p.fixed[i] * m[i];
            }
        const double c = sfm / w - sf / w * (sm / w), a = sff / w - sf / w * (sf / w),
                     b = smm / w - sm / w * (sm / w);
        total += (c * c + epsilon) / (a * b + epsilon) - epsilon / (a * a + epsilon);
        count += 1;
      }
  return -total / count;
}

inline double mse_loss(const Problem& p) {
  const std::vector<double> m = warp(p);
  double total = 0, count = 0;
  for (std::size_t i = 0; i < m.size(); ++i)
    if (!std::isnan(m[i])) {
      total += (m[i] - p.fixed[i]) * (m[i] - p.fixed[i]);
      count += 1;
    }
  return total / count;
}

/// Mattes MI in nats: nearest bin on the fixed axis, cubic B-spline on the moving one.
inline double mi_loss(const Problem& p, int bins, ops::BinRange fixed, ops::BinRange moving) {
  const std::vector<double> m = warp(p);
  const auto size = static_cast<std::size_t>(bins);
  std::vector<double> joint(size * size, 0), pf(size, 0), pm(size, 0);
  double count = 0;
  for (std::size_t i = 0; i < m.size(); ++i) {
    if (std::isnan(m[i])) continue;
    const double a = (p.fixed[i] - fixed.low) / (fixed.high - fixed.low) * bins;
    const auto row = static_cast<std::size_t>(std::min(std::max(a, 0.0), bins - 1.0));
    double b = (m[i] - moving.low) / (moving.high - moving.low) * (bins - 3);
    b = std::min(std::max(b, 0.0), (bins - 3) * (1 - 1e-6));
    const auto first = static_cast<std::size_t>(b);
    double w[4];
    math::cubic_bspline_weights(b - static_cast<double>(first), w);
    for (std::size_t k = 0; k < 4; ++k) joint[row * size + first + k] += w[k];
    count += 1;
  }
  for (double& v : joint) v /= count;
  for (std::size_t f = 0; f < size; ++f)
    for (std::size_t k = 0; k < size; ++k) {
      pf[f] += joint[f * size + k];
      pm[k] += joint[f * size + k];
    }
  double mi = 0;
  for (std::size_t f = 0; f < size; ++f)
    for (std::size_t k = 0; k < size; ++k)
      if (joint[f * size + k] > 0)
        mi += joint[f * size + k] * std::log(joint[f * size + k] / (pf[f] * pm[k]));
  return -mi;
}

}  // namespace gigawarp::reference

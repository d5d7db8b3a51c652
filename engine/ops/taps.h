#pragma once
#include <algorithm>
#include <cmath>

namespace gigawarp::ops {

/// A symmetric kernel of radius up to kMaximum, the same for every back end.
struct Taps {
  static constexpr int kMaximum = 16;
  int radius = 0;
  float weight[2 * kMaximum + 1] = {1};

  static Taps box(int radius) {
    Taps t;
    t.radius = std::min(radius, kMaximum);
    std::fill(t.weight, t.weight + 2 * t.radius + 1, 1.0F);
    return t;
  }
  /// Sampled Gaussian out to `reach` sigma, weights adding up to `sum` (0: peak is 1).
  static Taps gaussian(double sigma, double reach, double sum) {
    Taps t;
    if (!(sigma > 0)) return t;
    t.radius = std::clamp(static_cast<int>(std::ceil(reach * sigma - 1e-9)), 1, kMaximum);
    double total = 0;
    for (int k = -t.radius; k <= t.radius; ++k) total += std::exp(-0.5 * k * k / (sigma * sigma));
    if (sum == 0) sum = total;
    for (int k = -t.radius; k <= t.radius; ++k)
      t.weight[k + t.radius] =
          static_cast<float>(std::exp(-0.5 * k * k / (sigma * sigma)) / total * sum);
    return t;
  }
  /// Of fields: out to three sigma, sum one.
  static Taps smoothing(double sigma) { return gaussian(sigma, 3.0, 1.0); }
  /// Of LNCC's Gaussian window of "radius" r.
  static Taps gaussian_window(int radius) { return gaussian(0.5 * radius + 0.25, 2.0, 1.0); }
};

}  // namespace gigawarp::ops

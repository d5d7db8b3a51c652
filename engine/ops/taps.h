#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

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
  /// Of fields: out to three sigma, sum one, but for outermost taps below 1/5000 of the middle one,
  /// which every pass would pay for (sigma 0.7: radius 2, not 3).
  static Taps smoothing(double sigma) {
    constexpr double kReach = 3.0, kLeast = 2e-4;
    double reach = kReach * sigma;
    while (reach > 1 && std::exp(-0.5 * std::pow(std::ceil(reach - 1e-9) / sigma, 2)) < kLeast)
      reach = std::ceil(reach - 1e-9) - 1;
    return gaussian(sigma, sigma > 0 ? reach / sigma : kReach, 1.0);
  }
  /// Of LNCC's Gaussian window of "radius" r.
  static Taps gaussian_window(int radius) { return gaussian(0.5 * radius + 0.25, 2.0, 1.0); }
};

/// Gaussian centred on the middle of `shrink` input voxels: weights for input shrink·i + first + k.
struct StridedTaps {
  int first = 0;
  std::vector<float> weight{1.0F};

  StridedTaps(int shrink, double sigma) {
    if (shrink == 1 && !(sigma > 0)) return;
    const double centre = 0.5 * (shrink - 1), reach = std::max(3.0 * sigma, 0.5 * shrink);
    first = static_cast<int>(std::ceil(centre - reach));
    std::vector<double> w;
    double sum = 0;
    for (int k = first; k <= static_cast<int>(std::floor(centre + reach)); ++k) {
      const double d = k - centre;
      w.push_back(sigma > 0 ? std::exp(-0.5 * d * d / (sigma * sigma)) : 1.0);
      sum += w.back();
    }
    weight.clear();
    for (const double v : w) weight.push_back(static_cast<float>(v / sum));
  }
};

}  // namespace gigawarp::ops

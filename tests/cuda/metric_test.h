#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "support/backend_problem.h"
#include "support/device_tolerance.h"
#include "support/gpu.h"

/// Cases that compare metrics on the GPU with the CPU back end.
namespace gigawarp::test {

constexpr Size3 kSizes[]{{13, 11, 9}, {67, 35, 41}, {257, 3, 5},
                         {31, 1, 17}, {29, 23, 1},  {1, 19, 21}};
constexpr ScalarType kTypes[]{ScalarType::u8, ScalarType::i8, ScalarType::u16, ScalarType::i16,
                              ScalarType::f32};

inline reference::Problem problem(const Size3& fixed, unsigned seed, bool masks = false) {
  Size3 moving = fixed;
  for (auto& n : moving)
    if (n > 4) n += 3;
  reference::Problem p = quantised(reference::make_problem(fixed, moving, seed));
  if (!masks) return p;
  for (std::int64_t i = 0; i < p.voxels(); ++i) p.fixed_mask.push_back(i % 7 != 0 && i % 31 > 3);
  for (std::size_t i = 0; i < p.moving.size(); ++i) p.moving_mask.push_back(i % 11 != 0);
  return p;
}

/// Of one size, so that voxel i of one is compared with voxel i of the other.
inline reference::Problem on_one_grid(const Size3& size, unsigned seed, bool masks) {
  reference::Problem p = reference::make_problem(size, size, seed);
  if (!masks) return p;
  for (std::int64_t i = 0; i < p.voxels(); ++i) {
    p.fixed_mask.push_back(i % 7 != 0 && i % 31 > 3);
    p.moving_mask.push_back(i % 11 != 0);
  }
  return p;
}

inline double largest_component(const Vectors& v) {
  double largest = 0;
  for (const auto& c : v)
    for (const float x : c) largest = std::max(largest, static_cast<double>(std::abs(x)));
  return largest;
}

/// By norm, but for the few voxels at kinks of the interpolation; see device_tolerance.h.
inline void expect_same_gradient(const Vectors& device, const Vectors& host, double tolerance) {
  const double largest = largest_component(host);
  ASSERT_LT(largest, 1e30) << "a voxel was left unwritten by the CPU";
  ASSERT_GT(largest, 0);
  long kinks = 0;
  double apart = 0, size = 0;
  for (std::size_t i = 0; i < host[0].size(); ++i) {
    double square = 0;
    bool kink = false;
    for (std::size_t c = 0; c < 3; ++c) {
      const double h = host[c][i], d = static_cast<double>(device[c][i]) - h;
      ASSERT_TRUE(std::isfinite(d)) << "component " << c << ", voxel " << i;
      kink = kink || std::abs(d) > kKinkOfLargest * largest;
      square += d * d;
      size += h * h;
    }
    if (kink)
      ++kinks;
    else
      apart += square;
  }
  EXPECT_LT(std::sqrt(apart / size), tolerance);
  const auto share = static_cast<long>(kKinkShare * static_cast<double>(host[0].size()));
  EXPECT_LE(kinks, std::max(kKinkVoxels, share));
}

inline void expect_same_sums(const MetricResult& device, const MetricResult& host,
                             double tolerance) {
  double largest = 0;
  for (const auto& row : host.linear)
    for (const double v : row) largest = std::max(largest, std::abs(v));
  EXPECT_GT(largest, 0);
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 4; ++c)
      EXPECT_NEAR(device.linear[r][c], host.linear[r][c], tolerance * largest) << r << ", " << c;
}

inline void expect_same_histogram(const ops::JointHistogram& device,
                                  const ops::JointHistogram& host) {
  ASSERT_EQ(device.counts.size(), host.counts.size());
  EXPECT_EQ(device.total(), host.total());  // exact: every voxel weighs the same
  double apart = 0;
  for (std::size_t i = 0; i < host.counts.size(); ++i)
    apart += std::abs(static_cast<double>(device.counts[i] - host.counts[i]));
  // Sampled values differ in the last bit: a weight by a little, an edge of a bin now and then.
  EXPECT_LT(apart / ops::JointHistogram::kOne, kHistogram * host.total() + 0.1);
}

class MetricTest : public GpuTest {
 protected:
  void compare_mse(const reference::Problem& p, const ProblemOptions& options) {
    const auto [device, host] = on_both(p, options, [](BackendProblem& b) { return b.mse(); });
    EXPECT_NEAR(device.value, host.value, kValue * std::abs(host.value) + 1e-6);
    compare_derivatives(device, host, options, kGradient, kLinearSums);
  }
  void compare_lncc(const reference::Problem& p, const ProblemOptions& options, int radius,
                    WindowKind window = WindowKind::box, bool approximate = false) {
    const auto [device, host] =
        on_both(p, options, [&](BackendProblem& b) { return b.lncc(radius, window, approximate); });
    EXPECT_NEAR(device.value, host.value, kLnccValue * std::abs(host.value) + 1e-6);
    compare_derivatives(device, host, options, kLnccGradient, kLnccLinearSums);
  }
  void compare_mi(const reference::Problem& p, const ProblemOptions& options, int bins) {
    const auto [device, host] = on_both(p, options, [&](BackendProblem& b) { return b.mi(bins); });
    expect_same_histogram(device.histogram, host.histogram);
    EXPECT_NEAR(device.value, host.value, kMiValue * std::abs(host.value) + 1e-6);
    compare_derivatives(device, host, options, kGradient, kLinearSums);
  }

  void compare_alone(const reference::Problem& p, const ProblemOptions& options, int radius,
                     int bins) {
    const auto compare = [&](double value, double gradient, const auto& run) {
      const auto [device, host] = on_both(p, options, run);
      EXPECT_NEAR(device.value, host.value, value * std::abs(host.value) + 1e-6);
      if (device.histogram.counts.empty())
        EXPECT_EQ(device.reported_count, device.count);
      else
        expect_same_histogram(device.histogram, host.histogram);
      ASSERT_EQ(device.intensity.size(), host.intensity.size());
      double apart = 0, size = 0;
      for (std::size_t i = 0; i < host.intensity.size(); ++i) {
        const double h = host.intensity[i], d = device.intensity[i] - h;
        ASSERT_TRUE(std::isfinite(d) && std::abs(h) < 1e30) << "voxel " << i;
        apart += d * d;
        size += h * h;
      }
      EXPECT_LE(std::sqrt(apart), gradient * std::sqrt(size));
    };
    compare(kValue, kGradient, [](BackendProblem& b) { return b.mse(); });
    for (const bool approximate : {false, true})
      compare(kLnccValue, kLnccGradient,
              [&](BackendProblem& b) { return b.lncc(radius, WindowKind::box, approximate); });
    compare(kMiValue, kGradient, [&](BackendProblem& b) { return b.mi(bins); });
  }

 private:
  template <class Run>
  std::pair<MetricResult, MetricResult> on_both(const reference::Problem& p,
                                                const ProblemOptions& options, const Run& run) {
    BackendProblem on_gpu(*gpu_, p, options), on_cpu(*cpu_, p, options);
    return {run(on_gpu), run(on_cpu)};
  }
  static void compare_derivatives(const MetricResult& device, const MetricResult& host,
                                  const ProblemOptions& options, double gradient, double sums) {
    if (!options.wanted) return;
    if (options.to_field)
      expect_same_gradient(device.gradient, host.gradient, gradient);
    else
      expect_same_sums(device, host, sums);
  }
};

}  // namespace gigawarp::test

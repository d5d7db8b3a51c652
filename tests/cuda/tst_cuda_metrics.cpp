#include <gtest/gtest.h>

#include <algorithm>

#include "support/backend_problem.h"
#include "support/gpu.h"

/// The metrics and the sampler on the GPU against the CPU back end and the double reference.
namespace gigawarp {
namespace {

using test::BackendProblem;
using test::MetricResult;
using test::ProblemOptions;

constexpr Size3 kSizes[]{{13, 11, 9}, {67, 35, 41}, {257, 3, 5},
                         {31, 1, 17}, {29, 23, 1},  {1, 19, 21}};
constexpr ScalarType kTypes[]{ScalarType::u8, ScalarType::i8, ScalarType::u16, ScalarType::i16,
                              ScalarType::f32};

reference::Problem problem(const Size3& fixed, unsigned seed, bool masks = false) {
  Size3 moving = fixed;
  for (auto& n : moving)
    if (n > 4) n += 3;
  reference::Problem p = test::quantised(reference::make_problem(fixed, moving, seed));
  if (!masks) return p;
  for (std::int64_t i = 0; i < p.voxels(); ++i) p.fixed_mask.push_back(i % 7 != 0 && i % 31 > 3);
  for (std::size_t i = 0; i < p.moving.size(); ++i) p.moving_mask.push_back(i % 11 != 0);
  return p;
}

/// Packed gradients keep 13 bits.
void expect_same_gradient(const test::Vectors& device, const test::Vectors& host,
                          double relative = 3e-4, double of_largest = 1e-4) {
  double largest = 0;
  for (std::size_t c = 0; c < 3; ++c)
    for (const float v : host[c]) {
      ASSERT_LT(std::abs(v), 1e30F) << "a voxel was left unwritten by the CPU";
      largest = std::max(largest, static_cast<double>(std::abs(v)));
    }
  for (std::size_t c = 0; c < 3; ++c) {
    ASSERT_EQ(device[c].size(), host[c].size());
    for (std::size_t i = 0; i < host[c].size(); ++i)
      ASSERT_NEAR(
          device[c][i], host[c][i],
          relative * std::abs(static_cast<double>(host[c][i])) + of_largest * largest + 1e-30)
          << "component " << c << ", voxel " << i;
  }
}

void expect_same_sums(const MetricResult& device, const MetricResult& host,
                      double tolerance = 1e-4) {
  double largest = 0;
  for (const auto& row : host.linear)
    for (const double v : row) largest = std::max(largest, std::abs(v));
  EXPECT_GT(largest, 0);
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 4; ++c)
      EXPECT_NEAR(device.linear[r][c], host.linear[r][c], tolerance * largest) << r << ", " << c;
}

void expect_same_histogram(const ops::JointHistogram& device, const ops::JointHistogram& host) {
  ASSERT_EQ(device.counts.size(), host.counts.size());
  EXPECT_EQ(device.total(), host.total());  // exact: every voxel weighs the same
  double apart = 0;
  for (std::size_t i = 0; i < host.counts.size(); ++i)
    apart += std::abs(static_cast<double>(device.counts[i] - host.counts[i]));
  // Sampled values differ in the last bit: a weight by a little, an edge of a bin now and then.
  EXPECT_LT(apart / ops::JointHistogram::kOne, 2e-3 * host.total() + 0.1);
}

class CudaMetrics : public test::GpuTest {
 protected:
  template <class Run>
  void compare(const reference::Problem& p, const ProblemOptions& options, const Run& run,
               double relative = 3e-4, double of_largest = 1e-4) {
    BackendProblem on_gpu(*gpu_, p, options), on_cpu(*cpu_, p, options);
    const MetricResult device = run(on_gpu), host = run(on_cpu);
    EXPECT_NEAR(device.value, host.value, 1e-4 * std::abs(host.value) + 1e-6);
    if (options.wanted && options.to_field)
      expect_same_gradient(device.gradient, host.gradient, relative, of_largest);
    else if (options.wanted)
      expect_same_sums(device, host);
  }
};

TEST_F(CudaMetrics, warpMatchesCpuAndReference) {
  for (const Size3& size : kSizes)
    for (const bool masks : {false, true}) {
      SCOPED_TRACE(testing::Message() << size[0] << "x" << size[1] << "x" << size[2] << masks);
      const reference::Problem p = problem(size, 3, masks);
      const std::vector<double> expected = reference::warp(p);
      const std::vector<float> device = BackendProblem(*gpu_, p, {}).warp();
      const std::vector<float> host = BackendProblem(*cpu_, p, {}).warp();
      std::size_t differ = 0;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        if (std::isnan(expected[i]) != std::isnan(device[i])) ++differ;
        if (std::isnan(expected[i]) || std::isnan(device[i])) continue;
        ASSERT_NEAR(device[i], expected[i], 2e-5) << "voxel " << i;
        if (!std::isnan(host[i])) {
          ASSERT_NEAR(device[i], host[i], 1e-5) << "voxel " << i;
        }
      }
      EXPECT_LE(differ, expected.size() / 2000 + 1);  // points that rounding puts across an edge
    }
}

TEST_F(CudaMetrics, everyImageTypeIsSampledAlike) {
  const reference::Problem p = problem({67, 35, 41}, 5);
  for (const ScalarType type : kTypes) {
    ProblemOptions options;
    options.type = type;
    compare(p, options, [](BackendProblem& b) { return b.mse(); });
    compare(
        p, options, [](BackendProblem& b) { return b.lncc(2); }, 2e-3, 2e-3);
    compare(
        p, options, [](BackendProblem& b) { return b.mi(32); }, 3e-3, 1e-2);
  }
}

TEST_F(CudaMetrics, mseMatchesReference) {
  const reference::Problem p = problem({67, 35, 41}, 1);
  const MetricResult device = BackendProblem(*gpu_, p, {}).mse();
  EXPECT_NEAR(device.value / device.count, reference::mse_loss(p), 1e-5);
  EXPECT_EQ(device.reported_count, device.count);
}

TEST_F(CudaMetrics, mseMatchesCpuOnEverySize) {
  for (const Size3& size : kSizes)
    for (const bool masks : {false, true})
      for (const bool symmetric : {false, true}) {
        SCOPED_TRACE(testing::Message() << size[0] << "x" << size[1] << "x" << size[2] << masks);
        ProblemOptions options;
        options.symmetric = symmetric;
        compare(problem(size, 7, masks), options, [](BackendProblem& b) { return b.mse(); });
      }
}

TEST_F(CudaMetrics, lnccMatchesReference) {
  const reference::Problem p = problem({31, 23, 17}, 2);
  for (const int radius : {1, 2, 3}) {
    const MetricResult device = BackendProblem(*gpu_, p, {}).lncc(radius);
    const std::vector<double> taps(static_cast<std::size_t>(2 * radius + 1), 1.0);
    EXPECT_NEAR(device.value / device.count, reference::lncc_loss(p, taps, 1e-4), 2e-4) << radius;
    EXPECT_EQ(device.reported_count, device.count);
  }
}

TEST_F(CudaMetrics, lnccMatchesCpuForEveryRadius) {
  for (const int radius : {1, 2, 3, 4, 5, 7})
    for (const bool masks : {false, true}) {
      SCOPED_TRACE(testing::Message() << "radius " << radius << ", masks " << masks);
      compare(
          problem({67, 35, 41}, 11, masks), {}, [&](BackendProblem& b) { return b.lncc(radius); },
          2e-3, 2e-3);
    }
}

TEST_F(CudaMetrics, lnccMatchesCpuOnEverySize) {
  for (const Size3& size : kSizes)
    for (const bool approximate : {false, true}) {
      SCOPED_TRACE(testing::Message()
                   << size[0] << "x" << size[1] << "x" << size[2] << approximate);
      compare(
          problem(size, 13), {},
          [&](BackendProblem& b) { return b.lncc(2, WindowKind::box, approximate); }, 2e-3, 2e-3);
    }
}

TEST_F(CudaMetrics, lnccMatchesCpuInGaussianWindows) {
  for (const int radius : {1, 2, 3, 5})
    compare(
        problem({43, 35, 29}, 17, true), {},
        [&](BackendProblem& b) { return b.lncc(radius, WindowKind::gaussian); }, 2e-3, 2e-3);
}

TEST_F(CudaMetrics, miMatchesCpuForEveryNumberOfBins) {
  for (const int bins : {16, 32, 33, 64, 128})
    for (const bool masks : {false, true}) {
      SCOPED_TRACE(testing::Message() << bins << " bins, masks " << masks);
      const reference::Problem p = problem({67, 35, 41}, 19, masks);
      const MetricResult device = BackendProblem(*gpu_, p, {}).mi(bins);
      const MetricResult host = BackendProblem(*cpu_, p, {}).mi(bins);
      expect_same_histogram(device.histogram, host.histogram);
      EXPECT_NEAR(device.value, reference::mi_loss(p, bins, {-2.2F, 2.2F}, {-2.1F, 2.3F}), 1e-3);
      // Values at an edge of a bin may fall on either side of it: only a few gradients jump.
      double apart = 0, size = 0;
      for (std::size_t c = 0; c < 3; ++c)
        for (std::size_t i = 0; i < host.gradient[c].size(); ++i) {
          apart += std::abs(static_cast<double>(device.gradient[c][i] - host.gradient[c][i]));
          size += std::abs(static_cast<double>(host.gradient[c][i]));
        }
      EXPECT_LT(apart, 1e-3 * size);
    }
}

TEST_F(CudaMetrics, histogramOfFlatVolumesIsExact) {
  reference::Problem p = problem({131, 67, 41}, 23);
  std::fill(p.fixed.begin(), p.fixed.end(), 0.25);
  std::fill(p.moving.begin(), p.moving.end(), -0.5);
  const MetricResult device = BackendProblem(*gpu_, p, {}).mi(32);
  const MetricResult host = BackendProblem(*cpu_, p, {}).mi(32);
  EXPECT_EQ(device.histogram.total(), host.histogram.total());
  std::size_t cells = 0;
  for (std::size_t i = 0; i < host.histogram.counts.size(); ++i) {
    cells += device.histogram.counts[i] != 0 ? 1 : 0;
    EXPECT_NEAR(static_cast<double>(device.histogram.counts[i]),
                static_cast<double>(host.histogram.counts[i]), device.histogram.total());
  }
  EXPECT_LE(cells, 4U);
}

TEST_F(CudaMetrics, linearStagesGetTheSameSums) {
  for (const Size3& size : kSizes)
    for (const bool masks : {false, true}) {
      SCOPED_TRACE(testing::Message() << size[0] << "x" << size[1] << "x" << size[2] << masks);
      const reference::Problem p = problem(size, 29, masks);
      ProblemOptions options;
      options.displaced = false;
      options.to_field = false;
      compare(p, options, [](BackendProblem& b) { return b.mse(); });
      if (size[0] < 67) continue;
      compare(p, options, [](BackendProblem& b) { return b.lncc(2); });
      compare(p, options, [](BackendProblem& b) { return b.mi(32); });
    }
}

TEST_F(CudaMetrics, laterChannelsAreAdded) {
  const reference::Problem p = problem({67, 35, 41}, 31);
  ProblemOptions options;
  options.accumulate = true;
  compare(
      p, options, [](BackendProblem& b) { return b.mse(); }, 6e-4);
  compare(
      p, options, [](BackendProblem& b) { return b.lncc(3); }, 2e-3, 2e-3);
}

TEST_F(CudaMetrics, symmetricGradientsMatchTheCpu) {
  ProblemOptions options;
  options.symmetric = true;
  compare(
      problem({67, 35, 41}, 37), options, [](BackendProblem& b) { return b.lncc(2); }, 2e-3, 2e-3);
}

TEST_F(CudaMetrics, valuesAloneAreTheSameValues) {
  const reference::Problem p = problem({67, 35, 41}, 41);
  ProblemOptions alone;
  alone.wanted = false;
  BackendProblem with(*gpu_, p, {}), without(*gpu_, p, alone);
  EXPECT_NEAR(without.mse().value, with.mse().value, 1e-6 * with.mse().value);
  EXPECT_NEAR(without.lncc(2).value, with.lncc(2).value, 1e-6 * std::abs(with.lncc(2).value));
  EXPECT_EQ(without.mi(32).value, with.mi(32).value);
}

TEST_F(CudaMetrics, gapsBetweenRowsAndPlanesAreSkipped) {
  const reference::Problem p = problem({67, 35, 41}, 43, true);
  ProblemOptions options;
  options.layout.gap = 5;
  compare(p, options, [](BackendProblem& b) { return b.mse(); });
  compare(
      p, options, [](BackendProblem& b) { return b.lncc(2); }, 2e-3, 2e-3);
  EXPECT_EQ(BackendProblem(*gpu_, p, options).mi(32).histogram.counts,
            BackendProblem(*gpu_, p, {}).mi(32).histogram.counts);
}

TEST_F(CudaMetrics, slabsGiveTheVolumesGradients) {
  const reference::Problem p = problem({67, 35, 41}, 47);
  constexpr std::int64_t kPlane = 67 * 35, kHalo = 4, kFirst = 12, kLast = 28;
  ProblemOptions whole, slab;
  whole.count = slab.count = 90000;
  slab.layout.z_begin = kFirst - kHalo;
  slab.layout.z_end = kLast + kHalo;
  const auto check = [&](const auto& run, double tolerance) {
    BackendProblem all(*gpu_, p, whole), part(*gpu_, p, slab);
    part.restrict_to({kFirst, kLast});
    const test::Vectors a = run(all).gradient, b = run(part).gradient;
    for (std::size_t c = 0; c < 3; ++c)
      for (std::int64_t i = 0; i < (kLast - kFirst) * kPlane; ++i) {
        const auto expected =
            static_cast<double>(a[c][static_cast<std::size_t>(kFirst * kPlane + i)]);
        ASSERT_NEAR(b[c][static_cast<std::size_t>(kHalo * kPlane + i)], expected,
                    tolerance * (std::abs(expected) + 1e-5));
      }
  };
  check([](BackendProblem& b) { return b.mse(); }, 0);
  check([](BackendProblem& b) { return b.lncc(2); }, 2e-2);
}

TEST_F(CudaMetrics, repeatedRunsGiveTheSameBits) {
  const reference::Problem p = problem({131, 67, 41}, 53, true);
  ProblemOptions linear;
  linear.displaced = linear.to_field = false;
  const auto check = [&](const auto& run) {
    BackendProblem first(*gpu_, p, {}), second(*gpu_, p, {});
    const MetricResult a = run(first), b = run(second);
    EXPECT_EQ(a.value, b.value);
    EXPECT_EQ(a.words, b.words);
    EXPECT_EQ(a.histogram.counts, b.histogram.counts);
    BackendProblem third(*gpu_, p, linear), fourth(*gpu_, p, linear);
    const MetricResult c = run(third), d = run(fourth);
    EXPECT_EQ(c.value, d.value);
    for (int r = 0; r < 3; ++r)
      for (int k = 0; k < 4; ++k) EXPECT_EQ(c.linear[r][k], d.linear[r][k]);
  };
  check([](BackendProblem& b) { return b.mse(); });
  check([](BackendProblem& b) { return b.lncc(2); });
  check([](BackendProblem& b) { return b.mi(32); });
}

}  // namespace
}  // namespace gigawarp
